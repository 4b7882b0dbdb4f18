-- quarantine: a record that cannot be read or computed is set aside, with the error (any -> quarantined). What it fired goes on.
-- Guard: status, version and seq are as they were read ('' where they cannot be), and it is not set aside already.
-- KEYS: meta
-- ARGV: op now id status version seq error
-- Answers {'quarantined'} | {'changed'} | {'gone'}.
if prior then return prior end
local id = ARGV[3]
local hash = prompt_key(id)
local stored = redis.pcall('HMGET', hash, 'status', 'version', 'seq', 'created_at')
local is_hash = not stored.err
if not is_hash then stored = {} end
if redis.call('EXISTS', hash) == 0 then
  remove_from_due(id)
  return {'gone'}
end
local status = stored[1] or ''
if status ~= ARGV[4] or (stored[2] or '') ~= ARGV[5] or (stored[3] or '') ~= ARGV[6] then return {'changed'} end
if has_ended(status) or redis.call('HEXISTS', quarantine_key, id) == 1 then return {'changed'} end

redis.call('HSET', quarantine_key, id, cjson.encode({at = now, error = ARGV[7], was = status}))
remove_from_due(id)
redis.pcall('ZREM', approvals_key, id)
list_under(id, 'quarantined', tonumber(stored[4] or '') and stored[4] or now)
if is_hash then redis.call('HSET', hash, 'status', 'quarantined', 'updated_at', now) end
if is_hash then note_change(id, 'quarantined', 'scheduled-prompts', {reason = in_short(ARGV[7]), stood = status}) end
event('quarantined', id, 'error', ARGV[7])
local answer = remember({'quarantined'})
announce('disarmed', {prompt = id})
return answer
