-- edit: a prompt gets another definition (scheduled | active | paused | pending_approval | executed stay as they are). One with another
-- schedule begins anew (executed | quarantined -> scheduled | active): "next" is what was computed for it, and fires that were
-- claimed ahead by the old schedule are taken back.
-- Where approval is asked for it waits for that from now on (scheduled | active | paused -> pending_approval; executed |
-- quarantined, with another schedule, too), and fires that wait, or were claimed ahead, are taken back.
-- Guard: the version as it was read; not cancelled; the new "next" lies after the last occurrence claimed; a prompt that
-- comes back to life finds its key free.
-- KEYS: meta
-- ARGV: op now edit
-- `edit` is JSON: id, version, doc, owner, key, changed (names of fields), platform, agent, and before: {platform, agent} as
-- they were ('' for none); rescheduled ones have next_nominal, next_at, status, else '', and skips:
-- JSON of those that still name an occurrence, or '', and keep: a nominal time that was claimed and that the new schedule
-- names too, or '', and was: JSON of what the former occurrences followed from, or ''; for the account also who (see callers.lua)
-- and values (JSON: each changed field, from what to what). A `version` of '' is that of a record
-- that cannot be read; then created_at counts.
-- Also conversation, and limits (see `refused_by_cap`), and approval (until, why; absent where it needs none).
-- Answers {'edited', new version} | {'full', …} | {'conflict', status, version} | {'exists', id} | {'moved'} | {'gone'} |
-- {'over'} (approval is asked for, and nothing is to come), or what `denied` does.
if prior then return prior end
local edit = cjson.decode(ARGV[3])
local id, hash = edit.id, prompt_key(edit.id)
local no = denied(edit.who, id)
if no then return no end
local stored, is_no_hash = stored_prompt(id, 'version', 'last_nominal', 'next_nominal', 'next_at', 'doc', 'created_at', 'seq',
  'paused_at', 'pause_reason', 'pause_note', 'ended_at', 'pending_since')
if not stored then return {'gone'} end
local status, version, last = stored[1], stored[2], tonumber(stored[3] or '')
local rescheduled = edit.next_at ~= ''
if status == 'cancelled' or (version or '') ~= edit.version or (status == 'quarantined' and not rescheduled) then
  return {'conflict', status, version or ''}
end
if rescheduled then
  if last and tonumber(edit.next_nominal) <= last then return {'moved'} end
  local holder = edit.key ~= '' and living_holder(edit.owner, edit.key, id)
  if holder then return {'exists', holder} end
end

if edit.approval and status == 'executed' and not rescheduled then return {'over'} end

local after = rescheduled and status ~= 'paused' and edit.status or status
if edit.approval or status == 'pending_approval' then after = 'pending_approval' end
local is_asked = after == 'pending_approval' and status ~= after
local caps = caps_of(edit.agent, edit.owner, edit.conversation, lineage_in(id))
local refused = holds_place(id, after) and refused_by_cap(id, caps, edit.limits)
if refused then return refused end

-- Of a record that was set aside only what can be used is kept.
local function mend()
  if is_no_hash then redis.call('DEL', hash) end
  redis.call('HDEL', hash, 'failures', 'paused_at', 'pause_reason', 'pause_note')
  end_wait(id)
  if not last then redis.call('HDEL', hash, 'last_nominal') end
  if not tonumber(redis.call('HGET', hash, 'fired') or '') then redis.call('HDEL', hash, 'fired') end
  local kinds = {[history_key(id)] = 'zset', [live_key(id)] = 'set', [spans_key(id)] = 'list', [version_key(id)] = 'hash'}
  for key, kind in pairs(kinds) do
    if redis.call('TYPE', key).ok ~= kind then redis.call('DEL', key) end
  end
  for _, platform in ipairs(redis.call('SMEMBERS', platforms_key)) do redis.call('ZREM', by_key('platform', platform), id) end
end

if status == 'quarantined' then mend() end
local created = tonumber(stored[7] or '') and stored[7] or edit.created_at
if stored[6] and tonumber(version or '') and stored[6] ~= edit.doc and redis.call('EXISTS', history_key(id)) == 1 then
  redis.call('HSET', version_key(id), version, stored[6])  -- fires that were claimed with it still run it
end
local next_at = stored[5]
count_active(id, nil)  -- as it was
redis.call('HDEL', hash, 'caps')
redis.call('HSET', hash, 'doc', edit.doc, 'version', raised(version), 'updated_at', now)
if caps ~= '' then redis.call('HSET', hash, 'caps', caps) end
count_active(id, after)
if rescheduled then
  next_at = edit.next_at
  redis.call('HSET', hash, 'status', after, 'created_at', created, 'next_nominal', edit.next_nominal, 'next_at', next_at,
    'seq', raised(stored[8]))
  redis.call('HDEL', hash, 'skips', 'ended_at', 'rest')
  if (edit.skips or '') ~= '' then redis.call('HSET', hash, 'skips', edit.skips) end
  redis.call('HDEL', quarantine_key, id)
  list_under(id, after, created)
  if edit.key ~= '' then redis.call('SET', key_key(edit.owner, edit.key), id) end
end
if is_asked and not rescheduled then
  redis.call('HSET', hash, 'status', after, 'seq', raised(stored[8]))
  list_under(id, after, created)
end
for _, field in ipairs({'platform', 'agent'}) do
  if edit.before[field] ~= '' then redis.call('ZREM', by_key(field, edit.before[field]), id) end
  if edit[field] ~= '' then redis.call('ZADD', by_key(field, edit[field]), created, id) end
end
redis.call('SADD', platforms_key, edit.platform)
remove_from_due(id)
local armed = is_armed(after)
if armed then redis.call('ZADD', due_key(edit.platform), next_at, id) end
local former = {version = version, changed = edit.changed, values = edit.values, stood = status}
if rescheduled then
  former.from, former['until'], former.was = first_unclaimed(stored[4], last), edit.next_nominal, edit.was
  former.since, former.reason, former.note = stored[13] or stored[9] or stored[12], stored[10], stored[11]
end
note_change(id, 'edited', edit.who, former)
local asked, _ = {}, nil
event('edited', id, 'changed', table.concat(edit.changed, ','))
if edit.approval then await_approval(id, edit.approval, edit.who.by, status) end
if is_asked then
  note_change(id, 'pending', edit.who, {from = not rescheduled and stored[4], reason = edit.approval.why, since = stored[9], stood = status})
  _, asked = take_back(id, 'pending_approval', false)
elseif rescheduled then
  _, asked = take_back(id, 'edited', true, edit.keep)
end
local answer = remember({'edited', raised(version)})
if armed then announce('armed', {prompt = id, platform = edit.platform, due = next_at}) else announce('disarmed', {prompt = id}) end
announce_stops(asked, is_asked and 'pending_approval' or 'edited')
return answer
