-- cancel: a prompt fires no more (scheduled | active | paused | quarantined | executed with live fires -> cancelled); its
-- waiting fires end (queued | retrying -> cancelled), its running ones are asked to stop. A key that is no record is deleted.
-- Guard: the prompt exists; it is not cancelled, and if executed, something of it still lives.
-- KEYS: meta
-- ARGV: op now id
-- Answers {'cancelled', status before, waiting fires ended, running fires asked to stop} | {'conflict', status} | {'gone'}.
if prior then return prior end
local id = ARGV[3]
local hash = prompt_key(id)
local stored = redis.pcall('HMGET', hash, 'status', 'created_at', 'doc')
if stored.err then
  redis.call('DEL', hash)
  redis.call('HDEL', quarantine_key, id)
  for _, status in ipairs({'scheduled', 'active', 'paused', 'quarantined', 'executed', 'cancelled'}) do
    redis.call('ZREM', by_key('status', status), id)
  end
  remove_from_due(id)
  event('cancelled', id)
  return remember({'cancelled', 'quarantined', '0', '0'})
end
if not stored[1] then return {'gone'} end
local fires = redis.call('SMEMBERS', live_key(id))
if stored[1] == 'cancelled' or (stored[1] == 'executed' and #fires == 0) then return {'conflict', stored[1]} end

redis.call('HSET', hash, 'status', 'cancelled', 'next_nominal', '', 'next_at', '', 'updated_at', now, 'ended_at', now)
redis.call('HINCRBY', hash, 'version', 1)
redis.call('HINCRBY', hash, 'seq', 1)
redis.call('HDEL', hash, 'skips', 'paused_at', 'pause_reason', 'pause_note')
redis.call('HDEL', quarantine_key, id)
remove_from_due(id, platform_in(stored[3]))
move_status(id, stored[1], 'cancelled', stored[2] or now)

local ended, asked = 0, {}
table.sort(fires)
for _, fire in ipairs(fires) do
  local how = stop_fire(fire, 'prompt_cancelled')
  if how == 'ended' then ended = ended + 1 elseif how == 'asked' then asked[#asked + 1] = fire end
end
event('cancelled', id)
local answer = remember({'cancelled', stored[1], tostring(ended), tostring(#asked)})
announce('disarmed', {prompt = id})
announce_stops(asked)
return answer
