-- Who acts, and what that may do. An actor is {by, owner, fire, attempt, from JSON}. One without `owner` is whoever may reach
-- the store, and may do all; with it ('': none) an agent, for which another owner's prompts are not there. With `fire` it acts
-- from inside of that fire of a prompt, whose rights it has as long as that attempt runs.

-- A prompt's definition; nil where it cannot be read, or is gone.
local function definition_in(id)
  local doc = redis.pcall('HGET', prompt_key(id), 'doc')
  local ok, definition = pcall(cjson.decode, doc)
  return ok and type(definition) == 'table' and definition or nil
end

-- What cannot be read is nobody's.
local function belongs_to(id, owner)
  local definition = definition_in(id)
  return definition ~= nil and (definition.owner or '') == owner
end

-- Why the rights of an actor in a fire are over: 'ended', or 'stopped' where it was asked to stop; nil while they hold. What is
-- only taken back goes on once it has started.
local function rights_over(actor)
  local stored = redis.pcall('HMGET', fire_key(actor.fire), 'status', 'attempt', 'cancel')
  if stored.err or stored[1] ~= 'running' or stored[2] ~= actor.attempt then return 'ended' end
  if not belongs_to(prompt_of(actor.fire), actor.owner) then return 'ended' end
  if stored[3] and not taken_back[stored[3]] then return 'stopped' end
end

-- In a fire all that one attempt may change is so much: what it did must not be buried under what it does.
local MOST_CHANGES = 100

local function too_many_changes(actor)
  local count = actor.attempt .. ':changes'
  return redis.call('HINCRBY', fire_key(actor.fire), count, 1) > MOST_CHANGES and 'busy' or nil
end

-- Why an actor may not change a prompt, as the answer of a script; nil where it may. In a fire it may change the prompt whose
-- fire that is, and what was made in the fires of that one or of those.
local function denied(actor, id)
  if not actor.owner then return nil end
  if not belongs_to(id, actor.owner) then return {'gone'} end
  if not actor.fire then return nil end
  local me = prompt_of(actor.fire)
  local why = rights_over(actor) or (id ~= me and not is_ancestor(me, id) and 'stranger') or too_many_changes(actor)
  return why and {'denied', why} or nil
end

-- Why an actor may not make a prompt: as above, or {'stale'} where the prompt whose fire it is changed since its definition was
-- read, or {'own', id} where that, or what it made, has the key: that one is to be changed instead.
local function denied_birth(actor, prompt)
  if not actor.owner then return nil end
  if prompt.owner ~= actor.owner then return {'denied', 'stranger'} end
  if not actor.fire then return nil end
  local me = prompt_of(actor.fire)
  local why = rights_over(actor)
  if why then return {'denied', why} end
  local holder = prompt.key ~= '' and redis.call('GET', key_key(prompt.owner, prompt.key))
  if holder and (holder == me or is_ancestor(me, holder)) and belongs_to(holder, prompt.owner)
    and stored_prompt(holder)[1] ~= 'cancelled' then
    return {'own', holder}
  end
  if redis.call('HGET', prompt_key(me), 'version') ~= prompt.parent_version then return {'stale'} end
  if holder and living_holder(prompt.owner, prompt.key, '') then return nil end  -- it is answered with, and nothing made
  local depth = #words_of(lineage_in(me)) + 1
  if depth > prompt.max_depth then return {'denied', 'depth', tostring(depth), tostring(prompt.max_depth)} end
  if redis.call('HGET', prompt_key(me), 'status') == 'paused' then return {'denied', 'paused'} end
  why = too_many_changes(actor)
  return why and {'denied', why} or nil
end

-- What one fire did of a kind is one entry of the account, however often it did it. `same` tells such an entry from others of
-- its kind, `fields` is what is known since. Returns the entry.
local LOOKED_THROUGH = 200

local function note_again(id, kind, fire, same, fields)
  local key = spans_key(id)
  local latest = redis.call('LRANGE', key, -LOOKED_THROUGH, -1)
  for i = #latest, 1, -1 do
    local ok, entry = false, nil
    if string.find(latest[i], fire, 1, true) then ok, entry = pcall(cjson.decode, latest[i]) end
    if ok and type(entry) == 'table' and entry.kind == kind and entry.fire == fire and entry.deed == same.deed and entry.code == same.code then
      entry.times = entry.times + 1
      entry.last = now
      for name, value in pairs(fields(entry)) do entry[name] = value end
      redis.call('LSET', key, i - #latest - 1, cjson.encode(entry))
      return
    end
  end
  same.fire, same.times = fire, 1
  for name, value in pairs(fields({})) do same[name] = value end
  span(id, kind, same)
end

-- The prompt whose fire it is says afterwards what was made in it: how many, and the latest of them.
local MOST_NAMED = 10

local function note_birth(actor, id)
  harm_alone(note_again, prompt_of(actor.fire), 'made', actor.fire, {by = actor.by}, function(entry)
    local made = entry.prompts or {}
    made[#made + 1] = id
    if #made > MOST_NAMED then table.remove(made, 1) end
    return {prompts = made}
  end)
end

-- How many prompts agents made for an owner within 24 h. Counted where that is limited. Returns when there is room for one
-- more, where there is none.
local DAY_OF_BIRTHS = 86400000

local function no_room_for_birth(owner, limit)
  local key = rate_key('made:' .. owner)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', tonumber(now) - DAY_OF_BIRTHS))
  local surplus = redis.call('ZCARD', key) - limit
  if surplus < 0 then return nil end
  return string.format('%.0f', tonumber(redis.call('ZRANGE', key, surplus, surplus, 'WITHSCORES')[2]) + DAY_OF_BIRTHS)
end

local function count_birth(id, owner)
  redis.call('ZADD', rate_key('made:' .. owner), now, id)
  redis.call('PEXPIRE', rate_key('made:' .. owner), DAY_OF_BIRTHS)
end
