-- pause: a prompt fires no more until it is resumed (scheduled | active -> paused). What waits, or was claimed ahead of its
-- time, is taken back (queued | retrying -> skipped); what has started goes on.
-- Guard: the prompt is scheduled or active; if a version is given, it has that one.
-- KEYS: meta
-- ARGV: op now id version reason note by
-- `version` and `note` may be ''. Answers {'paused', fires taken back} | {'conflict', status, version} | {'gone'}.
if prior then return prior end
local id = ARGV[3]
local hash = prompt_key(id)
local stored = redis.call('HMGET', hash, 'status', 'version', 'created_at', 'next_nominal')
local status = stored[1]
if not status then return {'gone'} end
if (status ~= 'scheduled' and status ~= 'active') or (ARGV[4] ~= '' and ARGV[4] ~= stored[2]) then
  return {'conflict', status, stored[2] or ''}
end

redis.call('HSET', hash, 'status', 'paused', 'paused_at', now, 'pause_reason', ARGV[5], 'updated_at', now)
if ARGV[6] ~= '' then redis.call('HSET', hash, 'pause_note', ARGV[6]) end
redis.call('HINCRBY', hash, 'version', 1)
redis.call('HINCRBY', hash, 'seq', 1)
remove_from_due(id)
move_status(id, status, 'paused', stored[3])
local ended, asked = take_back(id, 'paused', false)
note_change(id, 'paused', ARGV[7], {from = stored[4], reason = ARGV[5], note = ARGV[6], stood = status})
event('paused', id, 'reason', ARGV[5], 'note', ARGV[6])
local answer = remember({'paused', tostring(ended + #asked)})
announce('paused', {prompt = id, reason = ARGV[5], note = ARGV[6]})
announce_stops(asked, 'paused')
return answer
