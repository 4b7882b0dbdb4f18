-- look: what a daemon wants to know four times a second, in one read. Changes nothing.
-- KEYS: meta
-- ARGV: op now page overdue serves
-- `overdue` is an instant, ms: prompts due up to then are listed, at most `page`, by due time; `serves` is JSON,
-- {platforms, runners}, `*` for all.
-- Answers {fires ready in the queues, earliest lease expiry or '', earliest retry or '', {prompt id, due} ...}.
local serves = cjson.decode(ARGV[5])
local function earliest(key)
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] or ''
end
local ready = 0
for _, queue in ipairs(served_queues(serves)) do ready = ready + redis.call('ZCARD', ready_key(queue)) end
local answer = {tostring(ready), earliest(leases_key), earliest(retries_key)}
local room = tonumber(ARGV[3])
for _, platform in ipairs(served_platforms(serves)) do
  if room <= 0 then break end
  local page = redis.call('ZRANGEBYSCORE', due_key(platform), '-inf', ARGV[4], 'WITHSCORES', 'LIMIT', 0, room)
  for i = 1, #page, 2 do answer[#answer + 1] = {page[i], page[i + 1]} end
  room = room - #page / 2
end
return answer
