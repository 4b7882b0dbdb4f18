-- read: many records in one answer, which costs a client far less than one answer each. Changes nothing.
-- KEYS: meta
-- ARGV: op now kind ids
-- `kind` is 'prompt' or 'fire'; `ids` is JSON, at most 500.
-- Answers, for each id, its hash, flat: empty for one that is gone, {'unreadable', why} for one that is no hash.
local answers = {}
for i, id in ipairs(cjson.decode(ARGV[4])) do
  local key = ARGV[3] == 'prompt' and prompt_key(id) or fire_key(id)
  local hash = redis.pcall('HGETALL', key)
  answers[i] = hash.err and {'unreadable', hash.err} or hash
end
return answers
