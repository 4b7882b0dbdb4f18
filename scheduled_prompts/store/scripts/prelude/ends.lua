-- How a fire ends, or is stopped, and what follows for its prompt.

-- An occurrence that was skipped or missed does not count as one that fired. Where it was the last that might, the prompt
-- lives again (executed -> active) with the `rest` that the claim left, unless its key is another's by now.
local function uncount_fire(fire)
  local id = prompt_of(fire)
  local hash = prompt_key(id)
  local stored = redis.pcall('HMGET', hash, 'fired', 'status', 'rest', 'doc', 'created_at')
  if stored.err or string.sub(fire, 27, 27) ~= '@' or (tonumber(stored[1] or '') or 0) < 1 then return end
  redis.call('HINCRBY', hash, 'fired', -1)
  local nominal, due = string.match(stored[3] or '', '^(%-?%d+) (%-?%d+)$')
  if not nominal or stored[2] ~= 'executed' then return end
  local readable, doc = pcall(cjson.decode, stored[4])
  if not readable or (doc.key and living_holder(doc.owner or '', doc.key, id)) then return end
  redis.call('HSET', hash, 'status', 'active', 'next_nominal', nominal, 'next_at', due)
  redis.call('HDEL', hash, 'rest', 'ended_at')
  redis.call('HINCRBY', hash, 'seq', 1)
  if doc.key then redis.call('SET', key_key(doc.owner or '', doc.key), id) end
  move_status(id, 'executed', 'active', stored[5])
  redis.call('ZADD', due_key(doc.platform or 'default'), due, id)
  announce('armed', {prompt = id, platform = doc.platform or 'default', due = due})
end

-- With the last of its fires over, an executed prompt does not live again: its place among the active ones is free.
local function give_up_rest(id)
  local stored = redis.call('HMGET', prompt_key(id), 'rest', 'status')
  if not stored[1] or stored[2] ~= 'executed' or redis.call('SCARD', live_key(id)) > 0 then return end
  redis.call('HDEL', prompt_key(id), 'rest')
  count_active(id, 'executed')
end

-- A fire leaves `running`, for whatever follows: what it held besides its lease is free. `item` is what its attempt was settled
-- with (see settle); nil where it was reaped. The caller writes its new status.
local function release(fire, item)
  harm_alone(reconcile, fire, item)
  local held = redis.call('HGET', fire_key(fire), 'slots')
  if held then
    redis.call('HDEL', fire_key(fire), 'slots')
    for limit in string.gmatch(held, '%S+') do
      redis.pcall('SREM', slots_key(limit), fire)
      wake(limit)
    end
  end
  wake('prompt:' .. prompt_of(fire))
end

-- Too many failures in a row pause the prompt. Said here, for what ends a fire; what it does is said below.
local give_up

-- An occurrence waited for the end of a fire, to be caught up with: it is claimed now.
local function announce_follower(id, platform)
  local due = platform and redis.pcall('HGET', prompt_key(id), 'next_at')
  if type(due) == 'string' and due ~= '' then announce('armed', {prompt = id, platform = platform, due = due}) end
end

-- What a limit on how many fires begin counts a fire for, as `active_key` takes it: its owner ('': those without one), its
-- conversation, and, where an agent made its prompt, the tree of that. `tree`: the root of one that was made in a fire.
local function rate_caps(fire, owner, conversation, agent, tree)
  local caps = {'owner:' .. (owner or '')}
  if conversation then caps[2] = 'conversation:' .. conversation end
  if tree or agent then caps[#caps + 1] = 'tree:' .. (tree or prompt_of(fire)) end
  return caps
end

-- A fire waits no longer for its turn to begin: whoever comes after it moves up. `turns`: where it waited, with blanks between.
local function give_up_turns(fire, turns)
  for cap in string.gmatch(turns, '%S+') do redis.pcall('ZREM', turns_key(cap), fire) end
  redis.call('HDEL', fire_key(fire), 'turns')
end

-- An attempt that was given back before it began is none.
local function uncount_attempt(fire)
  local stored = redis.call('HMGET', fire_key(fire), 'attempt', 'owner', 'conversation', 'agent', 'tree')
  for _, cap in ipairs(rate_caps(fire, unpack(stored, 2, 5))) do redis.pcall('ZREM', rate_key(cap), fire .. '#' .. stored[1]) end
end

-- The end of a fire, the only way there is: out of `live`, into the account. The caller has taken it out of the index
-- that its old status names. `...` are further fields of the fire.
local function end_fire(fire, status, reason, ...)
  local id = prompt_of(fire)
  local turns = redis.call('HGET', fire_key(fire), 'turns')
  if turns then give_up_turns(fire, turns) end
  redis.call('HSET', fire_key(fire), 'status', status, 'ended_at', now, 'reason', reason, ...)
  redis.pcall('SREM', live_key(id), fire)  -- like the prompt, it may be no such key: the fire has ended all the same
  if status == 'succeeded' then
    redis.pcall('HDEL', prompt_key(id), 'failures')
  elseif status == 'skipped' or status == 'missed' then
    uncount_fire(fire)
  end
  count(status)
  event(status, id, 'fire', fire, 'reason', reason)
  if (status == 'failed' or status == 'timed_out') and redis.call('EXISTS', prompt_key(id)) == 1 then
    harm_alone(give_up, id, redis.pcall('HINCRBY', prompt_key(id), 'failures', 1), fire)
  end
  harm_alone(give_up_rest, id)
  announce_follower(id, redis.call('HGET', fire_key(fire), 'followed_on'))
end

-- Old fires are deleted; the prompt keeps the latest nominal time of which that is so, for the account.
local function forget_fires(id, fires)
  local latest = 0
  for _, fire in ipairs(fires) do
    redis.call('ZREM', history_key(id), fire)
    redis.call('DEL', fire_key(fire))
    latest = math.max(latest, tonumber(string.match(fire, '@(%d+)$') or '') or 0)
  end
  if latest > (tonumber(redis.call('HGET', prompt_key(id), 'forgotten') or '') or 0) and redis.call('EXISTS', prompt_key(id)) == 1 then
    redis.call('HSET', prompt_key(id), 'forgotten', string.format('%.0f', latest))
  end
end

-- The end of a fire that somebody asked to stop. What a pause, an edit or a skip took back was skipped, not cancelled.
local taken_back = {paused = true, edited = true, requested = true, pending_approval = true}

local function end_flagged(fire, why, ...)
  local status = taken_back[why] and 'skipped' or 'cancelled'
  end_fire(fire, status, why, ...)
  return status
end

-- One fire is to stop: a waiting one ends here ('ended'), a running one is asked to ('asked'); nil if it has ended, or is
-- no fire at all. What is to be cancelled already is not merely taken back.
local function stop_fire(fire, why)
  local hash = fire_key(fire)
  local stored = redis.pcall('HMGET', hash, 'status', 'cancel')
  if stored[1] == 'running' then
    local asked_already = stored[2] and (taken_back[why] or (why == 'replaced' and not taken_back[stored[2]]))
    if not asked_already then redis.call('HSET', hash, 'cancel', why) end
    return 'asked'
  elseif stored[1] == 'queued' then
    leave_queue(fire)
  elseif stored[1] == 'retrying' then
    redis.call('ZREM', retries_key, fire)
  else
    if not stored[1] then redis.pcall('SREM', live_key(prompt_of(fire)), fire) end
    return nil
  end
  if why == 'replaced' then
    end_fire(fire, 'skipped', why)
  else
    end_flagged(fire, why)
  end
  return 'ended'
end

-- The fires of a prompt that have not ended, in order.
local function live_fires(id)
  local fires = redis.pcall('SMEMBERS', live_key(id))
  if fires.err then return {} end
  table.sort(fires)
  return fires
end

-- Returns how many ended, and which running ones are to be told.
local function stop_fires(fires, why)
  local ended, asked = 0, {}
  for _, fire in ipairs(fires) do
    local how = stop_fire(fire, why)
    if how == 'ended' then ended = ended + 1 elseif how == 'asked' then asked[#asked + 1] = fire end
  end
  return ended, asked
end

-- A pause holds for the next attempt of a fire, too, that ran when it came; and so does waiting for approval. Returns the
-- status that says so, or false.
local function rests(fire, trigger)
  local status = trigger == 'schedule' and redis.call('HGET', prompt_key(prompt_of(fire)), 'status')
  return (status == 'paused' or status == 'pending_approval') and status
end

-- What was claimed ahead is taken back: fires of the schedule that are not due yet, and, unless `only_ahead`, those that
-- wait (for a slot, for their next attempt). Not that of the nominal time `keep`, if one is given.
local function take_back(id, why, only_ahead, keep)
  local back = {}
  for _, fire in ipairs(live_fires(id)) do
    local stored = redis.pcall('HMGET', fire_key(fire), 'trigger', 'due', 'status')
    local ahead = (tonumber(stored[2] or '') or 0) > tonumber(now)
    local goes_back = ahead or (not only_ahead and stored[3] ~= 'running')
    if stored[1] == 'schedule' and goes_back and fire ~= id .. '@' .. (keep or '') then back[#back + 1] = fire end
  end
  return stop_fires(back, why)
end

-- Whoever runs them stops them; what is only taken back goes on once it has started.
local function announce_stops(fires, why)
  for _, fire in ipairs(fires) do announce('stop', {fire = fire, take_back = taken_back[why] or false}) end
end

-- A prompt fires no more until it is resumed. What waits, or was claimed ahead of its time, is taken back; what has started
-- goes on. `stored` holds its status (scheduled or active), created_at and next_nominal. Returns how many fires were taken
-- back, and what is to be called when all is written.
local function pause_prompt(id, stored, reason, note, who)
  local hash = prompt_key(id)
  redis.call('HSET', hash, 'status', 'paused', 'paused_at', now, 'pause_reason', reason, 'updated_at', now)
  if note ~= '' then redis.call('HSET', hash, 'pause_note', note) end
  redis.call('HINCRBY', hash, 'version', 1)
  redis.call('HINCRBY', hash, 'seq', 1)
  remove_from_due(id)
  move_status(id, stored[1], 'paused', stored[2])
  local ended, asked = take_back(id, 'paused', false)
  note_change(id, 'paused', who, {from = stored[3], reason = reason, note = note, stood = stored[1]})
  event('paused', id, 'reason', reason, 'note', note)
  return ended + #asked, function()
    announce('paused', {prompt = id, reason = reason, note = note})
    announce_stops(asked, 'paused')
  end
end

-- As much of a text as is told in passing: its first line, without half a character at the end.
local function in_short(text)
  local line = string.match(text, '[^\r\n]+') or ''
  if #line <= 300 then return line end
  local last = 300
  while last > 0 and math.floor(string.byte(line, last + 1) / 64) == 2 do last = last - 1 end
  return string.sub(line, 1, last) .. '…'
end

local PAUSE_AFTER = 5  -- where its definition does not say: the default in policies.py

-- It is the present definition that says how many are too many, whatever the fire ran.
give_up = function(id, failures, fire)
  local stored = redis.call('HMGET', prompt_key(id), 'status', 'created_at', 'next_nominal', 'doc')
  if stored[1] ~= 'active' or type(failures) ~= 'number' then return end
  local ok, definition = pcall(cjson.decode, stored[4])
  local most = ok and type(definition) == 'table' and tonumber(definition.pause_after) or PAUSE_AFTER
  if most == 0 or failures < most then return end
  local _, tell = pause_prompt(id, stored, 'failures', in_short(redis.call('HGET', fire_key(fire), 'error') or ''), 'scheduled-prompts')
  tell()
end

-- One command for many members: what a batch saves.
local function for_each_chunk(list, command, key)
  for first = 1, #list, 1000 do
    redis.call(command, key, unpack(list, first, math.min(first + 999, #list)))
  end
end
