-- pause: a prompt fires no more until it is resumed (scheduled | active -> paused). What waits, or was claimed ahead of its
-- time, is taken back (queued | retrying -> skipped); what has started goes on.
-- Guard: the prompt is scheduled or active; if a version is given, it has that one.
-- KEYS: meta
-- ARGV: op now id version reason note who
-- `version` and `note` may be ''; `who`: see callers.lua. Answers {'paused', fires taken back} | {'conflict', status, version} |
-- {'gone'}, or what `denied` does.
if prior then return prior end
local id, actor = ARGV[3], cjson.decode(ARGV[7])
local no = denied(actor, id)
if no then return no end
local stored = redis.call('HMGET', prompt_key(id), 'status', 'created_at', 'next_nominal', 'version')
local status, version = stored[1], stored[4]
if not status then return {'gone'} end
if (status ~= 'scheduled' and status ~= 'active') or (ARGV[4] ~= '' and ARGV[4] ~= version) then
  return {'conflict', status, version or ''}
end

local back, tell = pause_prompt(id, stored, ARGV[5], ARGV[6], actor)
local answer = remember({'paused', tostring(back)})
tell()
return answer
