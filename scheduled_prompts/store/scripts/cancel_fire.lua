-- cancel_fire: one fire is not to run (queued | retrying -> cancelled), or is asked to stop (running).
-- Guard: it has not ended.
-- KEYS: meta
-- ARGV: op now fire by
-- Answers {'ended' | 'asked'} | {'conflict', status} | {'gone'}.
if prior then return prior end
local fire = ARGV[3]
local status = redis.call('HGET', fire_key(fire), 'status')
if not status then return {'gone'} end
local how = stop_fire(fire, 'fire_cancelled')
if not how then return {'conflict', status} end
if ARGV[4] ~= '' then redis.call('HSET', fire_key(fire), 'cancelled_by', ARGV[4]) end
local answer = remember({how})
if how == 'asked' then announce_stops({fire}, 'fire_cancelled') end
return answer
