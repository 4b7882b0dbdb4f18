-- wake: the best of those that are parked at a limit tries again where there may be room (queued, from one index into another): the
-- limit may have been raised since. Whoever holds a slot and does not run loses it.
-- Where nobody but another daemon takes the best, those behind it try, too, up to the first that this one takes: for that
-- one may be gone.
-- Guard: the fire is parked at the limit.
-- KEYS: meta
-- ARGV: op now limits serves
-- `limits` is at most how many limits are looked at, drawn by lot where there are more; `serves` is JSON, {platforms,
-- runners}, `*` for all. A repetition does no harm.
-- Answers {how many were woken}.
local woken, serves = 0, cjson.decode(ARGV[4])
local platforms, runners = as_set(serves.platforms), as_set(serves.runners)

local function is_served(fire)
  local stored = redis.call('HMGET', fire_key(fire), 'platform', 'runner')
  return (platforms['*'] or platforms[stored[1]]) and (runners['*'] or runners[stored[2]])
end

local function is_free(limit)
  local kind, value = string.match(limit, '^([^:]*):(.*)$')
  if kind == 'prompt' then
    for _, fire in ipairs(live_fires(value)) do
      if redis.pcall('HGET', fire_key(fire), 'status') == 'running' then return false end
    end
    return true
  end
  for _, fire in ipairs(redis.call('SMEMBERS', slots_key(limit))) do
    if redis.pcall('HGET', fire_key(fire), 'status') ~= 'running' then redis.call('SREM', slots_key(limit), fire) end
  end
  return true
end

local function look_at(limit)
  if redis.call('ZCARD', parked_key(limit)) == 0 then
    redis.call('SREM', parked_limits_key, limit)
  elseif is_free(limit) then
    repeat
      local fire = wake(limit)
      if not fire then return end
      woken = woken + 1
    until is_served(fire) or woken >= 1000
  end
end

for _, limit in ipairs(if_usable('SRANDMEMBER', parked_limits_key, ARGV[3]) or {}) do harm_alone(look_at, limit) end
-- Where nothing waits, nobody has a turn: one that vanished may have left its own.
local function nothing_waits()
  if (if_usable('SCARD', parked_limits_key) or 0) > 0 then return false end
  for _, queue in ipairs(if_usable('SMEMBERS', queues_key) or {}) do
    if (if_usable('ZCARD', ready_key(queue)) or 0) > 0 then return false end
  end
  return true
end

if redis.call('EXISTS', fair_key) == 1 and nothing_waits() then redis.call('DEL', fair_key) end
if somebody_woke then announce('ready', {}) end
return {tostring(woken)}
