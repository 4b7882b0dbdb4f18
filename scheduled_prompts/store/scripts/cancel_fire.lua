-- cancel_fire: one fire is not to run (queued | retrying -> cancelled), or is asked to stop (running).
-- Guard: it has not ended.
-- KEYS: meta
-- ARGV: op now fire who
-- `who`: see callers.lua. Answers {'ended' | 'asked'} | {'conflict', status} | {'gone'}, or what `denied` does.
if prior then return prior end
local fire, actor = ARGV[3], cjson.decode(ARGV[4])
local no = denied(actor, prompt_of(fire))
if no then return no end
local status = redis.call('HGET', fire_key(fire), 'status')
if not status then return {'gone'} end
local how = stop_fire(fire, 'fire_cancelled')
if not how then return {'conflict', status} end
if actor.by ~= '' then redis.call('HSET', fire_key(fire), 'cancelled_by', actor.by) end
local answer = remember({how})
if how == 'asked' then announce_stops({fire}, 'fire_cancelled') end
return answer
