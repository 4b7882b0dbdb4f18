-- pause: a prompt fires no more until it is resumed (scheduled | active -> paused). What waits, or was claimed ahead of its
-- time, is taken back (queued | retrying -> skipped); what has started goes on.
-- Guard: the prompt is scheduled or active; if a version is given, it has that one.
-- KEYS: meta
-- ARGV: op now id version reason note by
-- `version` and `note` may be ''. Answers {'paused', fires taken back} | {'conflict', status, version} | {'gone'}.
if prior then return prior end
local id = ARGV[3]
local stored = redis.call('HMGET', prompt_key(id), 'status', 'created_at', 'next_nominal', 'version')
local status, version = stored[1], stored[4]
if not status then return {'gone'} end
if (status ~= 'scheduled' and status ~= 'active') or (ARGV[4] ~= '' and ARGV[4] ~= version) then
  return {'conflict', status, version or ''}
end

local back, tell = pause_prompt(id, stored, ARGV[5], ARGV[6], ARGV[7])
local answer = remember({'paused', tostring(back)})
tell()
return answer
