-- heartbeat: a daemon says that it lives and what it serves, and hears who else does. With an empty info it leaves.
-- KEYS: meta
-- ARGV: op now daemon info alive
-- `info` is JSON for whoever reads it; `alive` is how long, in ms, a heartbeat counts. A repetition does no harm.
-- Answers {daemon id, info} ... of the living, by id.
-- Nothing here outlives its daemons: what is of the wrong type is nobody's heartbeat, and must not keep one from living.
for key, should in pairs({[daemons_key] = 'zset', [daemon_info_key] = 'hash'}) do
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= should then redis.call('DEL', key) end
end
if ARGV[3] ~= '' then
  if ARGV[4] == '' then
    redis.call('ZREM', daemons_key, ARGV[3])
    redis.call('HDEL', daemon_info_key, ARGV[3])
  else
    redis.call('ZADD', daemons_key, now, ARGV[3])
    redis.call('HSET', daemon_info_key, ARGV[3], ARGV[4])
  end
end
local since = string.format('%.0f', tonumber(now) - tonumber(ARGV[5]))
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', daemons_key, '-inf', since)) do
  redis.call('ZREM', daemons_key, gone)
  redis.call('HDEL', daemon_info_key, gone)
end
local alive = redis.call('ZRANGE', daemons_key, 0, -1)
table.sort(alive)
local answer = {}
for i, daemon in ipairs(alive) do answer[i] = {daemon, redis.call('HGET', daemon_info_key, daemon) or ''} end
return answer
