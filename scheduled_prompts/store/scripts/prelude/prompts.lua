-- Prompts: who serves them, which status lists them, what caps count them, who holds their key.

local function as_set(names)
  local set = {}
  for _, name in ipairs(names) do set[name] = true end
  return set
end

-- The platforms and queues that somebody serves. `serves` is JSON {platforms, runners}: lists of names, `*` for all.
local function served_platforms(serves)
  local wanted, found = as_set(serves.platforms), {}
  for _, platform in ipairs(if_usable('SMEMBERS', platforms_key) or {}) do
    if wanted['*'] or wanted[platform] then found[#found + 1] = platform end
  end
  table.sort(found)
  return found
end

local function served_queues(serves)
  local platforms, runners, found = as_set(serves.platforms), as_set(serves.runners), {}
  for _, queue in ipairs(if_usable('SMEMBERS', queues_key) or {}) do
    local platform, runner = string.match(queue, '^(.*)/(.*)$')
    if (platforms['*'] or platforms[platform]) and (runners['*'] or runners[runner]) then found[#found + 1] = queue end
  end
  table.sort(found)
  return found
end

local function has_ended(status) return status == 'executed' or status == 'cancelled' end
local function is_armed(status) return status == 'scheduled' or status == 'active' end
-- What waits for approval counts as active, or an agent could ask for any number.
local function is_counted(status) return is_armed(status) or status == 'pending_approval' end

-- Nor is its place free while the last fire that a prompt may have has not ended: where that ends skipped or missed, the prompt
-- lives again (see `uncount_fire`), and somebody else would have its place by then.
local function holds_place(id, status)
  if is_counted(status) then return true end
  if status ~= 'executed' or type(redis.pcall('HGET', prompt_key(id), 'rest')) ~= 'string' then return false end
  local live = redis.pcall('SCARD', live_key(id))
  return type(live) == 'number' and live > 0
end

local function words_of(text)
  local found = {}
  for word in string.gmatch(text, '%S+') do found[#found + 1] = word end
  return found
end

-- The prompts in whose fires one another, and at last this one, were made, the root first, with blanks between; '' for none.
local function lineage_in(id)
  local lineage = redis.pcall('HGET', prompt_key(id), 'lineage')
  return type(lineage) == 'string' and lineage or ''
end

local function is_ancestor(id, of)
  return string.find(' ' .. lineage_in(of) .. ' ', ' ' .. id .. ' ', 1, true) ~= nil
end

-- The sets of active prompts that one counts in, with blanks between: what agents create counts for its owner (what has no
-- owner is counted together, so that leaving it out is no way around), for its conversation, and, where it was made in a fire,
-- for the tree that begins with the first of its ancestors. What people create does not.
local function caps_of(agent, owner, conversation, lineage)
  if (agent or '') == '' then return '' end
  local caps = 'owner:' .. (owner or '')
  if (conversation or '') ~= '' then caps = caps .. ' conversation:' .. conversation end
  local root = string.match(lineage or '', '^%S+')
  if root then caps = caps .. ' tree:' .. root end
  return caps
end

-- A prompt joins the sets that its hash names when it holds a place there, and leaves them where it holds none. Also where nothing is
-- limited: a limit that is set later then finds them right.
local function count_active(id, status)
  local caps = redis.pcall('HGET', prompt_key(id), 'caps')
  if type(caps) ~= 'string' then return end
  local counts = holds_place(id, status)
  for cap in string.gmatch(caps, '%S+') do redis.pcall(counts and 'SADD' or 'SREM', active_key(cap), id) end
end

-- Why a prompt cannot be armed: {'full', the set, its limit} where one that it is not in has no room. `limits`: the most
-- for an owner, for a conversation and for a tree; absent where there is no limit.
local function refused_by_cap(id, caps, limits)
  for cap in string.gmatch(caps, '%S+') do
    local limit = limits[string.match(cap, '^%l+')]
    if limit and redis.pcall('SISMEMBER', active_key(cap), id) == 0 and redis.pcall('SCARD', active_key(cap)) >= limit then
      return {'full', cap, string.format('%.0f', limit)}
    end
  end
end

local function move_status(id, from, to, created)
  if from == to then return end
  redis.call('ZREM', by_key('status', from), id)
  redis.call('ZADD', by_key('status', to), created, id)
  count_active(id, to)
end

-- The same for one whose record may lie about where it is listed.
local function list_under(id, to, created)
  for _, status in ipairs({'scheduled', 'active', 'paused', 'pending_approval', 'quarantined', 'executed', 'cancelled'}) do
    if_usable('ZREM', by_key('status', status), id)
  end
  if to then if_usable('ZADD', by_key('status', to), created, id) end
  count_active(id, to)
end

-- A counter that may not be a number: that may be what is wrong with the record.
local function raised(counter) return string.format('%.0f', (tonumber(counter or '') or 0) + 1) end

-- Out of the due index of every platform, for the same reason.
local function remove_from_due(id)
  for _, platform in ipairs(if_usable('SMEMBERS', platforms_key) or {}) do if_usable('ZREM', due_key(platform), id) end
end

-- Some of a prompt's fields, as HMGET answers; nil where there is no prompt. A key that is no hash counts as a record that
-- was set aside, which has no fields.
local function stored_prompt(id, ...)
  local stored = redis.pcall('HMGET', prompt_key(id), 'status', ...)
  if stored.err then return {'quarantined'}, true end
  if not stored[1] then
    if redis.call('EXISTS', prompt_key(id)) == 0 then return nil end
    stored[1] = 'quarantined'
  end
  return stored, false
end

-- The living prompt, other than this one, that has a key; nil where it is free.
local function living_holder(owner, key, id)
  local holder = if_usable('GET', key_key(owner, key))
  if not holder or holder == id then return nil end
  local stored = stored_prompt(holder)
  return stored and not has_ended(stored[1]) and holder or nil
end
