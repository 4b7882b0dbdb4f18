-- repair: what is listed where it should not be, or not where it should be, is found (`check`, which changes nothing), or
-- put right (`mend`). The records are the truth; indexes follow from them.
-- Guard: the damage is looked for again, by the code that found it, before it is mended.
-- KEYS: meta
-- ARGV: op now mode schema items
-- `schema` is that of the release that asks: a prompt that a newer one wrote is not judged.
-- `items` is JSON: {'prompt', id}, {'fire', id} or {'key', name without prefix, cursor} ... in `check`; of a key that is an
-- index, a page of its entries from the cursor ('0') is judged too. In `mend` it is one damage: {subject, name, member, kind,
-- place}; then {'entry', name, member} is a subject too.
-- Answers of `check`: {items done, cursor in the one after those}, then {kind, subject, name, member, place, is, should be} ...
-- Answers of `mend`: {'mended'} | {'sound'} (it is not there any more) | {'left'} (it does not follow from the records).
if prior then return prior end
local AT_ONCE = 200  -- records and entries judged in one call: nobody else is served meanwhile
local LEASE = 300000  -- a live daemon renews it sooner than that, by its own; what a lost one held is then reaped
local indexes_of_fires = {running = leases_key, retrying = retries_key}
local ends = as_set({'succeeded', 'failed', 'timed_out', 'cancelled', 'interrupted', 'skipped', 'missed'})
local statuses = as_set({'scheduled', 'active', 'paused', 'pending_approval', 'quarantined', 'executed', 'cancelled'})
local kinds_of_keys = {by = 'zset', active = 'set', rate = 'zset', turns = 'zset', due = 'zset', ready = 'zset', history = 'zset',
  live = 'set', spans = 'list', version = 'hash', key = 'string', ended = 'hash', op = 'string', parked = 'zset', slots = 'set',
  spend = 'hash'}
local named_keys = {meta = 'hash', quarantine = 'hash', platforms = 'set', queues = 'set', leases = 'zset', retries = 'zset',
  events = 'stream', daemons = 'zset', daemon_info = 'hash', halts = 'list', parked = 'set', fair = 'hash',
  approvals = 'zset', revoked = 'zset'}
local walks = {zset = {'ZSCAN', 2}, set = {'SSCAN', 1}, hash = {'HSCAN', 2}}
local walked = as_set({'by', 'active', 'turns', 'due', 'ready', 'history', 'live', 'quarantine', 'leases', 'retries', 'parked',
  'slots', 'approvals'})

local items, mending = cjson.decode(ARGV[5]), ARGV[3] == 'mend'
local subject, wanted, found, outcome = nil, mending and items[1] or nil, {}, 'sound'

-- Names are keys as they were scanned, without the prefix.
local function scanned_key(name) return P .. name end
local function name_of(key) return string.sub(key, #P + 1) end

-- One damage of the present subject, in `place`. `mend` puts it right; without one nothing can be derived.
local function damage(kind, place, mend, is, should)
  if not mending then
    found[#found + 1] = {kind, subject[1], subject[2], subject[3] or '', place, is or '', should or ''}
  elseif kind == wanted[4] and place == wanted[5] then
    outcome = 'left'
    if mend and not harm_alone(mend) then outcome = 'mended' end
  end
end

-- A key of the wrong type lists nothing; that it has the wrong type is a damage of its own.
local function score_in(key, member)
  local score = redis.pcall('ZSCORE', key, member)
  return type(score) ~= 'table' and score or nil
end

local function must_list(kind, key, member, score, mend)
  local is = score_in(key, member)
  if not is then
    damage(kind, name_of(key), mend, '', score)
  elseif score and tonumber(is) ~= tonumber(score) then
    damage(kind == 'not_due' and kind or 'wrong_score', name_of(key), mend, is, score)
  end
end

-- A prompt as far as its indexes follow from it; nil where there is none. `readable` is false for a record that nobody can
-- arm or list: it is to be set aside, unless a newer release wrote it, and its entries go with that.
local function prompt_at(id)
  local stored, is_no_hash = stored_prompt(id, 'doc', 'created_at', 'next_at', 'caps', 'pending_until', 'lineage')
  if not stored then return nil end
  local ok, definition = pcall(cjson.decode, stored[2] or '')
  if not ok or type(definition) ~= 'table' then definition = {} end
  local platform = definition.platform
  if platform == nil then platform = 'default' end
  local defined = ok and next(definition) ~= nil and type(platform) == 'string'
  local prompt = {is_no_hash = is_no_hash, status = stored[1], created = stored[3], next_at = stored[4], defined = defined,
    caps_said = stored[5] or '', pending_until = stored[6]}
  for _, field in ipairs({'owner', 'agent', 'conversation', 'key'}) do
    if type(definition[field]) == 'string' then prompt[field] = definition[field] end
  end
  prompt.platform = platform
  prompt.armed = is_armed(prompt.status)
  prompt.caps = caps_of(prompt.agent, prompt.owner, prompt.conversation, stored[7])
  local schema = tonumber(definition.schema)
  prompt.newer = schema and schema > tonumber(ARGV[4])
  if prompt.newer then
    prompt.readable = false
  elseif prompt.status == 'quarantined' then
    -- What has no status can only have been set aside.
    local is_said = not is_no_hash and redis.call('HGET', prompt_key(id), 'status')
    prompt.readable = is_said or (is_no_hash and redis.pcall('HEXISTS', quarantine_key, id) == 1)
  elseif has_ended(prompt.status) then
    prompt.readable = true
  else
    prompt.readable = statuses[prompt.status] and defined and tonumber(prompt.created or '')
      and (not prompt.armed or tonumber(prompt.next_at or ''))
      and (prompt.status ~= 'pending_approval' or tonumber(prompt.pending_until or ''))
  end
  return prompt
end

local function set_aside(id, prompt)
  if redis.call('HEXISTS', quarantine_key, id) == 0 then
    local was = prompt.is_no_hash and '' or prompt.status
    redis.call('HSET', quarantine_key, id, cjson.encode({at = now, error = 'its record cannot be read', was = was}))
  end
  remove_from_due(id)
  redis.pcall('ZREM', approvals_key, id)
  list_under(id, 'quarantined', tonumber(prompt.created or '') and prompt.created or now)
  if not prompt.is_no_hash then
    redis.call('HSET', prompt_key(id), 'status', 'quarantined', 'updated_at', now)
    note_change(id, 'quarantined', 'scheduled-prompts', {reason = 'its record cannot be read', stood = prompt.status})
  end
  event('quarantined', id, 'error', 'its record cannot be read')
  announce('disarmed', {prompt = id})
end

local function judge_key_of(id, prompt)
  local key = key_key(prompt.owner or '', prompt.key)
  local name = name_of(key)
  local holder = redis.pcall('GET', key)
  if holder == id then return end
  local other = type(holder) ~= 'table' and living_holder(prompt.owner or '', prompt.key, id)
  if other then
    damage('key_of_two', name, nil, other)
  else
    damage('key_lost', name, function() redis.call('SET', key, id) end)
  end
end

-- The hash says in which sets of active prompts it is counted; those are to have it.
local function judge_caps(id, prompt)
  if prompt.caps_said ~= prompt.caps then
    damage('wrong_caps', name_of(prompt_key(id)), function()
      count_active(id, nil)
      redis.call('HDEL', prompt_key(id), 'caps')
      if prompt.caps ~= '' then redis.call('HSET', prompt_key(id), 'caps', prompt.caps) end
      count_active(id, prompt.status)
    end, prompt.caps_said, prompt.caps)
  end
  if not holds_place(id, prompt.status) then return end
  for cap in string.gmatch(prompt.caps, '%S+') do
    if redis.pcall('SISMEMBER', active_key(cap), id) ~= 1 then
      damage('not_counted', name_of(active_key(cap)), function() redis.call('SADD', active_key(cap), id) end)
    end
  end
end

local function judge_prompt(id)
  local prompt = prompt_at(id)
  if not prompt or prompt.newer then return end
  if not prompt.readable then
    damage('unreadable_prompt', name_of(prompt_key(id)), function() set_aside(id, prompt) end)
    return
  end
  local set_apart = prompt.status == 'quarantined'
  local created = not set_apart and tonumber(prompt.created or '') and prompt.created or nil
  local function list_in(field, value)
    local key = by_key(field, value)
    must_list('not_in_index', key, id, created, function() redis.call('ZADD', key, created or now, id) end)
  end
  list_in('status', prompt.status)
  if set_apart then
    if redis.pcall('HEXISTS', quarantine_key, id) ~= 1 then
      damage('not_in_quarantine', name_of(quarantine_key), function()
        redis.call('HSET', quarantine_key, id, cjson.encode({at = now, error = 'why it was set aside is not known', was = ''}))
      end)
    end
    return  -- where else it is listed is for those to say who mend it
  end
  if not prompt.defined then return end
  list_in('platform', prompt.platform)
  if prompt.owner then list_in('owner', prompt.owner) end
  if prompt.agent then list_in('agent', prompt.agent) end
  judge_caps(id, prompt)
  if prompt.armed then
    must_list('not_due', due_key(prompt.platform), id, prompt.next_at, function()
      redis.call('SADD', platforms_key, prompt.platform)
      redis.call('ZADD', due_key(prompt.platform), prompt.next_at, id)
      announce('armed', {prompt = id, platform = prompt.platform, due = prompt.next_at})
    end)
  end
  local pending = prompt.status == 'pending_approval'
  if pending then
    must_list('not_in_approvals', approvals_key, id, prompt.pending_until, function()
      redis.call('ZADD', approvals_key, prompt.pending_until, id)
    end)
  end
  if (prompt.status == 'paused' or pending) and redis.pcall('SISMEMBER', platforms_key, prompt.platform) ~= 1 then
    damage('platform_unseen', name_of(platforms_key), function() redis.call('SADD', platforms_key, prompt.platform) end)
  end
  if prompt.key and not has_ended(prompt.status) then judge_key_of(id, prompt) end
end

-- A fire as far as its indexes follow from it; nil where there is none. `index` is the key that its status names.
local function fire_at(id)
  local stored = redis.pcall('HMGET', fire_key(id), 'status', 'platform', 'runner', 'priority', 'due', 'retry_at', 'nominal',
    'parked', 'slots')
  if stored.err then return {is_no_hash = true} end
  if not stored[1] and redis.call('EXISTS', fire_key(id)) == 0 then return nil end
  local fire = {status = stored[1], platform = stored[2], runner = stored[3], priority = stored[4] or '50', due = stored[5],
    retry_at = stored[6], nominal = stored[7], ended = ends[stored[1]], parked = stored[8], slots = stored[9] or ''}
  fire.index = indexes_of_fires[fire.status]
  if fire.status == 'queued' and fire.parked then
    fire.index = parked_key(fire.parked)
  elseif fire.status == 'queued' and fire.platform and fire.runner then
    fire.index = ready_key(queue_name(fire.platform, fire.runner))
  end
  fire.readable = tonumber(fire.nominal or '') and (fire.ended or (fire.index and tonumber(fire.due or '') and tonumber(fire.priority)))
  return fire
end

local function put_back(id, fire)
  if fire.status == 'queued' then
    redis.call('HDEL', fire_key(id), 'parked')  -- whoever takes it parks it again, where there is no room
    put_in_ready(id, fire.platform, fire.runner, fire.priority, fire.due)
  elseif fire.status == 'retrying' then
    redis.call('ZADD', retries_key, tonumber(fire.retry_at or '') and fire.retry_at or now, id)
  else
    redis.call('ZADD', leases_key, string.format('%.0f', tonumber(now) + LEASE), id)
  end
  announce('ready', {})
end

local function delete_fire(id, fire)
  for limit in string.gmatch(fire.slots or '', '%S+') do redis.pcall('SREM', slots_key(limit), id) end
  if fire.index then redis.pcall('ZREM', fire.index, id) end
  redis.pcall('SREM', live_key(prompt_of(id)), id)
  redis.pcall('ZREM', history_key(prompt_of(id)), id)
  redis.call('DEL', fire_key(id))
end

local function judge_fire(id)
  local fire = fire_at(id)
  if not fire then return end
  local prompt = prompt_of(id)
  if fire.is_no_hash then
    damage('unreadable_fire', name_of(fire_key(id)), function() delete_fire(id, fire) end)
    return
  elseif redis.call('EXISTS', prompt_key(prompt)) == 0 then
    -- What runs ends first: `cancel` deletes a record that is none beside it.
    if fire.status ~= 'running' or not score_in(leases_key, id) then
      damage('orphan', name_of(fire_key(id)), function() delete_fire(id, fire) end)
    end
    return
  elseif not fire.readable then
    damage('unreadable_fire', name_of(fire_key(id)))
    return
  end
  must_list('fire_in_no_history', history_key(prompt), id, fire.nominal, function()
    redis.call('ZADD', history_key(prompt), fire.nominal, id)
  end)
  if fire.ended then return end
  if not score_in(fire.index, id) then
    damage('fire_in_no_index', name_of(fire.index), function() put_back(id, fire) end, fire.status)
  end
  for limit in string.gmatch(fire.slots, '%S+') do
    if redis.pcall('SISMEMBER', slots_key(limit), id) ~= 1 then
      damage('slot_not_held', name_of(slots_key(limit)), function() redis.call('SADD', slots_key(limit), id) end)
    end
  end
  if redis.pcall('SISMEMBER', live_key(prompt), id) ~= 1 then
    damage('fire_not_live', name_of(live_key(prompt)), function() redis.call('SADD', live_key(prompt), id) end)
  end
end

local removals = {set = 'SREM', zset = 'ZREM', hash = 'HDEL'}

local function judge_entry_of_prompt(name, kind, rest, id, remove)
  local prompt = prompt_at(id)
  if not prompt then
    damage(kind == 'due' and 'due_without_prompt' or 'index_without_prompt', name, remove)
  elseif kind == 'quarantine' then
    if prompt.status ~= 'quarantined' and statuses[prompt.status] then
      damage('wrongly_in_quarantine', name, remove, prompt.status)
    end
  elseif not prompt.readable then
    return
  elseif kind == 'approvals' then
    if prompt.status ~= 'pending_approval' then damage('wrongly_in_approvals', name, remove, prompt.status) end
  elseif kind == 'active' then
    if not holds_place(id, prompt.status) then
      damage('wrongly_counted', name, remove, prompt.status)
    elseif prompt.defined and not string.find(' ' .. prompt.caps .. ' ', ' ' .. rest .. ' ', 1, true) then
      damage('wrong_index', name, remove)
    end
  elseif kind == 'due' then
    if not prompt.armed then
      damage('wrongly_due', name, remove, prompt.status)
    elseif prompt.platform ~= rest then
      damage('wrong_index', name, remove, prompt.platform)
    end
  else
    local field, value = string.match(rest, '^([^:]*):(.*)$')
    if field == 'status' then
      if prompt.status ~= value then damage('wrong_status_index', name, remove, prompt.status) end
    elseif prompt.defined and prompt.status ~= 'quarantined' and prompt[field] ~= value then
      damage('wrong_index', name, remove, prompt[field] or '')
    end
  end
end

local function judge_entry_of_fire(name, kind, rest, id, remove)
  if kind == 'history' and redis.call('EXISTS', prompt_key(rest)) == 0 then return end  -- it is an orphan as a whole
  local fire = fire_at(id)
  local stranger = (kind == 'history' or kind == 'live') and prompt_of(id) ~= rest
  if not fire or stranger then
    local gone = {history = 'history_without_fire', live = 'live_without_fire'}
    damage(gone[kind] or 'index_without_fire', name, remove)
  elseif fire.is_no_hash or kind == 'history' or not (fire.ended or fire.index) then
    return
  elseif kind == 'slots' then
    if not string.find(' ' .. fire.slots .. ' ', ' ' .. rest .. ' ', 1, true) then
      damage('slot_of_nobody', name, remove, fire.status)
    end
  elseif kind == 'turns' then
    local waits = redis.pcall('HGET', fire_key(id), 'turns')
    if type(waits) ~= 'string' or not string.find(' ' .. waits .. ' ', ' ' .. rest .. ' ', 1, true) then
      damage('waits_for_no_turn', name, remove, fire.status)
    end
  elseif kind == 'live' then
    if fire.ended then damage('ended_fire_live', name, remove, fire.status) end
  elseif fire.index ~= scanned_key(name) then
    damage('fire_in_wrong_index', name, remove, fire.status)
  end
end

local function split(name)
  local kind, rest = string.match(name, '^([^:]*):(.*)$')
  return kind or name, rest
end

local function judge_entry(name, member)
  local kind, rest = split(name)
  local function remove() redis.call(removals[kinds_of_keys[kind] or named_keys[kind]], scanned_key(name), member) end
  if redis.call('EXISTS', scanned_key(name)) == 0 then return end
  if kind == 'by' or kind == 'active' or kind == 'due' or kind == 'quarantine' or kind == 'approvals' then
    judge_entry_of_prompt(name, kind, rest, member, remove)
  else
    judge_entry_of_fire(name, kind, rest, member, remove)
  end
end

-- What is reserved in a scope is what its running fires have reserved: in all, and of those of the latest day.
local function judge_reserved(name, scope)
  local owner, prompt = string.match(scope, '^owner:(.*)$'), string.match(scope, '^prompt:(.*)$')
  local stored = redis.call('HMGET', scanned_key(name), 'day', 'reserved', 'day_reserved')
  local all, today
  local function is_as_stored(fires)
    all, today = 0, 0
    for _, fire in ipairs(fires) do
      local held = redis.pcall('HMGET', fire_key(fire), 'status', 'reserved', 'spend_day', 'owner', 'tree')
      local counts = (not owner or held[4] == owner) and (not prompt or prompt_of(fire) == prompt or held[5] == prompt)
      if held[1] == 'running' and held[2] and counts then
        all = all + (tonumber(held[2]) or 0)
        if held[3] == stored[1] then today = today + (tonumber(held[2]) or 0) end
      end
    end
    return (tonumber(stored[2] or '') or 0) == all and (tonumber(stored[3] or '') or 0) == today
  end
  if prompt and is_as_stored(live_fires(prompt)) then return end  -- else there are those of what was made in its fires
  local running = {}
  if redis.call('TYPE', leases_key).ok == 'zset' then
    if redis.call('ZCARD', leases_key) > 5 * AT_ONCE then return end  -- too many to look at while others wait
    running = redis.call('ZRANGE', leases_key, 0, -1)
  end
  if is_as_stored(running) then return end
  damage('wrong_reserved', name, function()
    redis.call('HSET', scanned_key(name), 'reserved', string.format('%.0f', all), 'day_reserved', string.format('%.0f', today))
  end, stored[2] or '0', string.format('%.0f', all))
end

-- Whether its entries, if it has some, can be looked at.
local function judge_key(name)
  local kind, rest = split(name)
  local is, should = redis.call('TYPE', scanned_key(name)).ok, rest and kinds_of_keys[kind] or not rest and named_keys[kind]
  local function delete() redis.call('DEL', scanned_key(name)) end
  if is == 'none' then return false end
  if not should then
    damage('unknown_key', name)
    return false
  elseif is ~= should then
    damage('wrong_type', name, name ~= 'meta' and delete or nil, is, should)
    return false
  elseif kind == 'key' then
    local holder = redis.call('GET', scanned_key(name))
    local prompt = prompt_at(holder)
    if not prompt then
      damage('key_of_nobody', name, delete, holder)
    elseif prompt.readable and prompt.defined and not has_ended(prompt.status)
      and rest ~= (prompt.owner or '') .. ':' .. (prompt.key or '') then
      damage('key_of_stranger', name, delete, holder)  -- it would keep others from having it; one that has ended does not
    end
  elseif kind == 'history' or kind == 'spans' or kind == 'version' then
    if redis.call('EXISTS', prompt_key(rest)) == 0 then
      damage('orphan', name, delete)
      return false
    end
  elseif kind == 'spend' then
    if string.match(rest, '^prompt:') and redis.call('EXISTS', prompt_key(string.sub(rest, 8))) == 0 then
      damage('orphan', name, delete)
    else
      judge_reserved(name, rest)
    end
  elseif kind == 'due' and redis.pcall('SISMEMBER', platforms_key, rest) ~= 1 then
    damage('platform_unseen', name_of(platforms_key), function() redis.call('SADD', platforms_key, rest) end)
  elseif kind == 'ready' and redis.pcall('SISMEMBER', queues_key, rest) ~= 1 then
    damage('queue_unseen', name_of(queues_key), function() redis.call('SADD', queues_key, rest) end)
  elseif kind == 'parked' and rest and redis.pcall('SISMEMBER', parked_limits_key, rest) ~= 1 then
    damage('parking_unseen', name_of(parked_limits_key), function() redis.call('SADD', parked_limits_key, rest) end)
  elseif name == 'parked' then
    return false  -- a name too many does no harm, and goes with the next sweep
  end
  return walked[kind] or false
end

local judged = 0

-- A page of an index. Returns the cursor of the next one, '0' after the last.
local function judge_entries(name, cursor)
  local kind = split(name)
  local walk = walks[kinds_of_keys[kind] or named_keys[kind]]
  local page = redis.call(walk[1], scanned_key(name), cursor, 'COUNT', AT_ONCE / 2)
  for i = 1, #page[2], walk[2] do
    subject = {'entry', name, page[2][i]}
    judge_entry(name, page[2][i])
    judged = judged + 1
  end
  return tostring(page[1])
end

local function judge(item)
  subject, judged = {item[1], item[2], ''}, judged + 1
  if item[1] == 'prompt' then
    judge_prompt(item[2])
  elseif item[1] == 'fire' then
    judge_fire(item[2])
  elseif item[1] == 'entry' then
    judge_entry(item[2], item[3])
  elseif judge_key(item[2]) and not mending then
    return judge_entries(item[2], item[3])
  end
  return '0'
end

if mending then
  subject = wanted
  judge(wanted)
  return remember({outcome})
end
local done, cursor = 0, '0'
while done < #items and judged < AT_ONCE and cursor == '0' do
  cursor = judge(items[done + 1])
  if cursor == '0' then done = done + 1 end
end
return {tostring(done), cursor, unpack(found)}
