-- cancel: a prompt fires no more (scheduled | active | paused | executed with live fires -> cancelled); its waiting fires end
-- (queued | retrying -> cancelled), its running ones are asked to stop.
-- Guard: the prompt exists; it is not cancelled, and if executed, something of it still lives.
-- KEYS: meta
-- ARGV: op now id platform
-- Answers {'cancelled', status before, waiting fires ended, running fires asked to stop} | {'conflict', status} | {'gone'}.
if prior then return prior end
local id = ARGV[3]
local hash = prompt_key(id)
local stored = redis.call('HMGET', hash, 'status', 'created_at')
if not stored[1] then return {'gone'} end
local fires = redis.call('SMEMBERS', live_key(id))
if stored[1] == 'cancelled' or (stored[1] == 'executed' and #fires == 0) then return {'conflict', stored[1]} end

redis.call('HSET', hash, 'status', 'cancelled', 'next_nominal', '', 'next_at', '', 'updated_at', now, 'ended_at', now)
redis.call('HINCRBY', hash, 'version', 1)
redis.call('HINCRBY', hash, 'seq', 1)
redis.call('ZREM', due_key(ARGV[4]), id)
move_status(id, stored[1], 'cancelled', stored[2])

local ended, flagged = 0, {}
table.sort(fires)
for _, fire in ipairs(fires) do
  local fire_hash = fire_key(fire)
  local was = redis.call('HMGET', fire_hash, 'status', 'platform', 'runner')
  if not was[1] then
    redis.call('SREM', live_key(id), fire)
  elseif was[1] == 'running' then
    redis.call('HSET', fire_hash, 'cancel', 'prompt_cancelled')
    flagged[#flagged + 1] = fire
  else
    if was[1] == 'queued' then
      redis.call('ZREM', ready_key(queue_name(was[2], was[3])), fire)
    else
      redis.call('ZREM', retries_key, fire)
    end
    end_fire(fire, 'cancelled', 'prompt_cancelled')
    ended = ended + 1
  end
end
event('cancelled', id)
local answer = remember({'cancelled', stored[1], tostring(ended), tostring(#flagged)})
announce('cancelled', {prompt = id})
for _, fire in ipairs(flagged) do announce('stop', {fire = fire}) end
return answer
