-- resume: a paused prompt fires again (paused -> scheduled | active). What it would have fired meanwhile becomes a span.
-- Guard: it is paused, with version and seq as they were read; the new "next" lies after the last occurrence claimed.
-- KEYS: meta
-- ARGV: op now id version seq status platform next_nominal next_at skips who limits
-- `skips` is JSON: which occurrences to come are still to be skipped, or ''; `limits`: see `refused_by_cap`. Answers
-- {'resumed'} | {'full', …} | {'conflict', status, version} | {'gone'}, or what `denied` does; `who`: see callers.lua. Nothing is
-- resumed from inside of a fire: somebody may have paused it to keep it from going on.
if prior then return prior end
local actor = cjson.decode(ARGV[11])
local no = denied(actor, ARGV[3]) or (actor.fire and {'denied', 'resume'})
if no then return no end
local id, status, platform, next_nominal, next_at = ARGV[3], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local hash = prompt_key(id)
local stored = redis.call('HMGET', hash, 'status', 'version', 'seq', 'last_nominal', 'next_nominal', 'created_at',
  'paused_at', 'pause_reason', 'pause_note', 'caps')
if not stored[1] then return {'gone'} end
local last = tonumber(stored[4] or '')
if stored[1] ~= 'paused' or stored[2] ~= ARGV[4] or stored[3] ~= ARGV[5] or (last and tonumber(next_nominal) <= last) then
  return {'conflict', stored[1], stored[2] or ''}
end
local refused = refused_by_cap(id, stored[10] or '', cjson.decode(ARGV[12]))
if refused then return refused end

redis.call('HSET', hash, 'status', status, 'next_nominal', next_nominal, 'next_at', next_at, 'updated_at', now)
redis.call('HINCRBY', hash, 'version', 1)
redis.call('HINCRBY', hash, 'seq', 1)
redis.call('HDEL', hash, 'paused_at', 'pause_reason', 'pause_note', 'failures', 'skips')
if ARGV[10] ~= '' then redis.call('HSET', hash, 'skips', ARGV[10]) end
redis.call('ZADD', due_key(platform), next_at, id)
move_status(id, 'paused', status, stored[6])
note_change(id, 'resumed', actor, {from = stored[5], ['until'] = next_nominal, since = stored[7], reason = stored[8], note = stored[9]})
event('resumed', id)
local answer = remember({'resumed'})
announce('armed', {prompt = id, platform = platform, due = next_at})
return answer
