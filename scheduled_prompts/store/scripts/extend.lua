-- extend: leases are renewed, and what has started is marked as started (running -> running).
-- Guard: the fire runs under this token. That the lease has expired does not matter while nobody has reaped it.
-- KEYS: meta
-- ARGV: op now lease items
-- `lease` is ms; `items` is JSON: {fire, token, started_at or ''} ... A repetition does no harm, so there is no op id.
-- Answers, for each item, 'ok' | 'cancel' (somebody asked for it to stop) | 'take_back' (the same, but one that has started goes
-- on) | 'lost'.
local answers, expiry = {}, string.format('%.0f', tonumber(now_at_least()) + tonumber(ARGV[3]))
for i, item in ipairs(cjson.decode(ARGV[4])) do
  local hash = fire_key(item[1])
  local stored = redis.pcall('HMGET', hash, 'status', 'token', 'cancel')  -- a record that is none harms itself alone
  if stored[1] ~= 'running' or stored[2] ~= item[2] then
    answers[i] = 'lost'
  else
    redis.call('ZADD', leases_key, expiry, item[1])
    if item[3] ~= '' then redis.call('HSET', hash, 'started_at', item[3]) end
    answers[i] = not stored[3] and 'ok' or taken_back[stored[3]] and 'take_back' or 'cancel'
  end
end
return answers
