-- save: a new prompt (nothing -> scheduled | active | pending_approval | paused, where it is imported), or a new "next" for one that is (`retime`: tzdata changed).
-- Guard: create: no living prompt has its key, and no prompt its id; retime: version, seq and status as they were read,
-- it is scheduled or active, and the new "next" is after the last occurrence claimed.
-- KEYS: meta
-- ARGV: op now mode prompt
-- `prompt` is JSON: id, doc, status, platform, owner, agent, conversation, key, created_at, next_nominal, next_at, more
-- (further fields of the hash), limits (see `refused_by_cap`), made_per_owner and max_depth (numbers; 0: any number of them; no
-- depth), imported (what was next where it comes from; '': unknown; absent: it is new), who (see callers.lua), parent_version (of
-- the prompt in whose fire that acts; ''), approval (where it waits for it: until, why, by, since; else absent); for retime id,
-- version, seq, status, platform, who and the new next_nominal, next_at.
-- Answers {'created', id} | {'exists', id} | {'full', …} | {'births', limit, when there is room} | {'retimed'} | {'conflict'}, or what
-- `denied_birth` does.
if prior then return prior end
local prompt = cjson.decode(ARGV[4])
local id = prompt.id
local hash = prompt_key(id)

if ARGV[3] == 'retime' then
  local stored = redis.call('HMGET', hash, 'version', 'seq', 'status', 'last_nominal', 'next_nominal')
  if stored[1] ~= prompt.version or stored[2] ~= prompt.seq or stored[3] ~= prompt.status then return {'conflict'} end
  if stored[3] ~= 'scheduled' and stored[3] ~= 'active' then return {'conflict'} end
  if stored[4] and stored[4] ~= '' and tonumber(prompt.next_nominal) <= tonumber(stored[4]) then return {'conflict'} end
  redis.call('HSET', hash, 'next_nominal', prompt.next_nominal, 'next_at', prompt.next_at, 'updated_at', now)
  redis.call('HINCRBY', hash, 'seq', 1)
  redis.call('ZADD', due_key(prompt.platform), prompt.next_at, id)
  note_change(id, 'retimed', prompt.who, {from = stored[5], ['until'] = prompt.next_nominal})
  local answer = remember({'retimed'})
  announce('armed', {prompt = id, platform = prompt.platform, due = prompt.next_at})
  return answer
end

local actor = prompt.who
local no = denied_birth(actor, prompt)
if no then return no end
if prompt.key ~= '' then
  local holder = living_holder(prompt.owner, prompt.key, id)
  if holder then return remember({'exists', holder}) end
end
if redis.call('EXISTS', hash) == 1 then return {'conflict'} end
local more = prompt.more or {}
if actor.fire then
  local me = prompt_of(actor.fire)
  local above = lineage_in(me)
  more.created_in, more.lineage = actor.fire, above == '' and me or above .. ' ' .. me
end
local armed, caps = is_armed(prompt.status), caps_of(prompt.agent, prompt.owner, prompt.conversation, more.lineage)
local refused = is_counted(prompt.status) and refused_by_cap(id, caps, prompt.limits)
if refused then return refused end
local births = prompt.agent ~= '' and not prompt.imported and prompt.made_per_owner
if births and births > 0 then
  local room_at = no_room_for_birth(prompt.owner, births)
  if room_at then return {'births', string.format('%.0f', births), room_at} end
  count_birth(id, prompt.owner)
end

redis.call('HSET', hash, 'doc', prompt.doc, 'status', prompt.status, 'version', 1, 'seq', 0,
  'created_at', prompt.created_at, 'next_nominal', prompt.next_nominal, 'next_at', prompt.next_at)
for field, value in pairs(more) do redis.call('HSET', hash, field, value) end
redis.call('ZADD', by_key('status', prompt.status), prompt.created_at, id)
redis.call('ZADD', by_key('platform', prompt.platform), prompt.created_at, id)
if prompt.owner ~= '' then redis.call('ZADD', by_key('owner', prompt.owner), prompt.created_at, id) end
if prompt.agent ~= '' then redis.call('ZADD', by_key('agent', prompt.agent), prompt.created_at, id) end
if prompt.key ~= '' then redis.call('SET', key_key(prompt.owner, prompt.key), id) end
redis.call('SADD', platforms_key, prompt.platform)
if caps ~= '' then
  redis.call('HSET', hash, 'caps', caps)
  count_active(id, prompt.status)
end
if armed then redis.call('ZADD', due_key(prompt.platform), prompt.next_at, id) end
-- Of an imported one's past only what comes after is known here.
if prompt.imported then
  note_change(id, 'imported', actor, {from = prompt.imported, ['until'] = prompt.next_nominal})
end
if actor.fire then note_birth(actor, id) end
event('created', id)
if prompt.approval then
  await_approval(id, prompt.approval, prompt.approval.by)
  note_change(id, 'pending', actor, {reason = prompt.approval.why})
end
local answer = remember({'created', id})
if armed then announce('armed', {prompt = id, platform = prompt.platform, due = prompt.next_at}) end
return answer
