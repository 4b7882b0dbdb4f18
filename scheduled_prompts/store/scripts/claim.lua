-- claim: an occurrence that is due becomes a fire (prompt: due -> next due | executed; fire: nothing -> queued | skipped |
-- missed), and what was missed before it becomes a span. A manual run makes a fire and leaves the schedule alone.
-- Guard: version, seq and status of the prompt as they were read, and it is scheduled or active; the fire does not exist.
-- Manual: the prompt has the version that was read, is not cancelled, and does not wait for approval.
-- KEYS: meta
-- ARGV: op now items
-- `items` is JSON: id, trigger, version, seq, status, fire, nominal, due, platform, runner, priority, on_crash, money,
-- owner, agent, conversation, concurrency_key ('' for none), concurrency, overlap, queue_limit;
-- scheduled ones also deadline (after which it may not begin; '' for none), skip (why it is not to run, or ''; `late` was
-- missed), next_nominal, next_at ('' for none), next_status, missed_from, missed_until ('' for none), quiet_from (from
-- there up to nominal what quiet hours deferred to the same moment; '' for none), skips (JSON: what remains to be skipped; ''
-- for no change), max_fires (with that many the prompt is executed; '' for no limit), announce, in_turn (it may be one of
-- those that are caught up with, one at a time), deep (there is no room: only if its owner has nothing waiting); manual ones
-- rerun_of and who (who asked for it: see callers.lua); all may have tree (the first ancestor of a prompt made in a fire).
-- Where others of the prompt's fires have not ended, `overlap` decides: it is skipped (`busy`), waits, or replaces them (those that
-- wait end skipped, those that run are asked to stop); one that waits for its next attempt ends (retrying -> failed: superseded).
-- Answers, for each item, 'claimed' | 'lost' (somebody else was first, or it changed) | 'gone' | 'waits' (for the end of the
-- fire before it, which will announce it) | 'early' (claim it when it is due) | 'deep' | 'halted' (all is stopped) | 'broken: ' and
-- what is wrong | 'hindered: ' and the key in which no claim can be noted. An agent's manual run is answered 'claimed: ' and the fire's id, or 'denied: ' and why.
if prior then return prior end
local items = cjson.decode(ARGV[3])
local answers, manual = {}, false
if halted() then
  for i in ipairs(items) do answers[i] = 'halted' end
  return answers
end

-- What was made of a fire before the claim failed: nothing is left of it.
local function unmake_fire(item)
  redis.pcall('ZREM', history_key(item.id), item.fire)
  redis.pcall('SREM', live_key(item.id), item.fire)
  redis.pcall('ZREM', ready_key(queue_name(item.platform, item.runner)), item.fire)
  redis.call('DEL', fire_key(item.fire))
  if item.trigger == 'schedule' and item.skip == '' then redis.pcall('HINCRBY', prompt_key(item.id), 'fired', -1) end
end

local function make_fire(item, version)
  local hash = fire_key(item.fire)
  redis.call('HSET', hash, 'status', 'queued', 'version', version, 'trigger', item.trigger,
    'nominal', item.nominal, 'due', item.due, 'platform', item.platform, 'runner', item.runner,
    'priority', item.priority, 'on_crash', item.on_crash, 'queued_at', now, 'attempt', 0,
    'deadline', item.deadline)
  local known = {}
  for _, name in ipairs({'owner', 'agent', 'conversation', 'concurrency_key', 'tree'}) do
    if (item[name] or '') ~= '' then
      known[#known + 1] = name
      known[#known + 1] = item[name]
    end
  end
  if item.concurrency_key ~= '' then
    known[#known + 1] = 'concurrency'
    known[#known + 1] = item.concurrency
  end
  if item.overlap == 'queue' or item.overlap == 'replace' then
    known[#known + 1] = 'overlap'
    known[#known + 1] = item.overlap
  end
  if #known > 0 then redis.call('HSET', hash, unpack(known)) end
  if item.trigger == 'schedule' then redis.call('HINCRBY', prompt_key(item.id), 'fired', 1) end
  for name, value in pairs(item.money) do redis.call('HSET', hash, name, value) end
  redis.call('ZADD', history_key(item.id), item.nominal, item.fire)
  if item.skip ~= '' then
    end_fire(item.fire, item.skip == 'late' and 'missed' or 'skipped', item.skip)
  else
    redis.call('SADD', live_key(item.id), item.fire)
    local turn = turn_of(item.owner, item.priority, item.due, item.place)
    if turn ~= item.due then redis.call('HSET', hash, 'turn', turn) end
    put_in_ready(item.fire, item.platform, item.runner, item.priority, turn)
  end
end

-- With as many fires as it may have, nothing more is to come; unless the last of them is taken back.
local function leave_the_rest(item)
  if item.max_fires == '' or item.next_at == '' then return end
  local fired = redis.call('HGET', prompt_key(item.id), 'fired')
  if tonumber(fired) < tonumber(item.max_fires) then return end
  redis.call('HSET', prompt_key(item.id), 'rest', item.next_nominal .. ' ' .. item.next_at)
  item.next_nominal, item.next_at, item.next_status = '', '', 'executed'
end

local function move_on(item, stored)
  leave_the_rest(item)
  if item.missed_from ~= '' then
    span(item.id, 'missed', {reason = 'late', from = item.missed_from, ['until'] = item.missed_until})
    event('missed', item.id, 'from', item.missed_from, 'until', item.missed_until)
  end
  if item.quiet_from ~= '' then
    span(item.id, 'missed', {reason = 'quiet', from = item.quiet_from, ['until'] = item.nominal})
    event('missed', item.id, 'from', item.quiet_from, 'until', item.nominal, 'reason', 'quiet')
  end
  local moved = {'seq', tonumber(stored[2]) + 1, 'next_nominal', item.next_nominal, 'next_at', item.next_at,
    'last_nominal', item.nominal, 'last_fire', item.fire}
  if item.next_at == '' then
    moved[#moved + 1] = 'status'
    moved[#moved + 1] = item.next_status
    moved[#moved + 1] = 'ended_at'
    -- It is over when its last occurrence is due, which may be a moment after it was claimed.
    moved[#moved + 1] = string.format('%.0f', math.max(tonumber(now), tonumber(item.due)))
    redis.call('ZREM', due_key(item.platform), item.id)
    move_status(item.id, stored[3], item.next_status, stored[4])
  else
    redis.call('ZADD', due_key(item.platform), item.next_at, item.id)
  end
  if item.skips == '[]' or item.next_at == '' then
    redis.call('HDEL', prompt_key(item.id), 'skips')
  elseif item.skips ~= '' then
    moved[#moved + 1] = 'skips'
    moved[#moved + 1] = item.skips
  end
  redis.call('HSET', prompt_key(item.id), unpack(moved))
end

-- Whether an occurrence is caught up with, and one before it has not ended: that one will announce it then. It is caught up
-- with where it is late, or was due already when the one before was claimed. What is on time is `overlap`'s business.
local function waits(item)
  local is_late = tonumber(now) - tonumber(item.due) > 1000
  for _, fire in ipairs(live_fires(item.id)) do
    local stored = redis.pcall('HMGET', fire_key(fire), 'trigger', 'queued_at')
    if stored[1] == 'schedule' and (is_late or (tonumber(stored[2] or '') or 0) >= tonumber(item.due)) then
      redis.call('HSET', fire_key(fire), 'followed_on', item.platform)
      return true
    end
  end
  return false
end

-- What of a prompt has not ended, by status.
local function standing(id)
  local found = {running = {}, queued = {}, retrying = {}}
  for _, fire in ipairs(live_fires(id)) do
    local status = redis.pcall('HGET', fire_key(fire), 'status')
    if type(status) == 'string' and found[status] then table.insert(found[status], fire) end
  end
  return found
end

local replaced = {}

-- May it run beside what has not ended? Returns why it is not to run, '' where it is; or 'early': what is claimed ahead of its time
-- is judged when it is due, for the one before may have ended by then. One that merely waits for its next attempt gives way.
local function judge_overlap(item)
  if item.skip ~= '' or item.overlap == 'allow' then return item.skip end
  local fires = standing(item.id)
  local busy = #fires.running + #fires.queued
  if busy > (item.overlap == 'queue' and item.queue_limit or 0) then
    if tonumber(item.due) > tonumber(now) then return 'early' end
    if item.overlap ~= 'replace' then return 'busy' end
  end
  for _, fire in ipairs(fires.retrying) do
    local stored = redis.call('HMGET', fire_key(fire), 'trigger', 'turns')
    if stored[1] == 'schedule' or not stored[2] then  -- a run that somebody asked for, and that waits for its turn, has not failed
      redis.call('ZREM', retries_key, fire)
      end_fire(fire, 'failed', 'superseded')
    end
  end
  -- With that failure it may have given up.
  if #fires.retrying > 0 and redis.call('HGET', prompt_key(item.id), 'status') ~= item.status then return 'lost' end
  if item.overlap == 'replace' then
    for _, fire in ipairs(fires.queued) do  -- it stands where the first of those stood that it replaces
      local stood = redis.call('HMGET', fire_key(fire), 'turn', 'due')
      local turn = stood[1] or stood[2]
      if turn and (not item.place or tonumber(turn) < tonumber(item.place)) then item.place = turn end
    end
    stop_fires(fires.queued, 'replaced')
    local _, asked = stop_fires(fires.running, 'replaced')
    for _, fire in ipairs(asked) do replaced[#replaced + 1] = fire end
  end
  return ''
end

-- Where more is ready than can run soon, only who has nothing waiting gets more.
local function has_its_share(item)
  return item.owner == '' or redis.pcall('HEXISTS', fair_key, item.priority .. ':' .. item.owner) == 1
end

-- Why an agent may not have a run beside the schedule: in a fire it could run itself for ever, and elsewhere one at a time is
-- enough.
local function denied_run(actor, id)
  if not actor.owner then return nil end
  if not belongs_to(id, actor.owner) then return 'gone' end
  if actor.fire then return 'denied: in_fire' end
  for _, fire in ipairs(live_fires(id)) do
    if redis.pcall('HGET', fire_key(fire), 'trigger') == 'manual' then return 'denied: runs' end
  end
end

local function claim(i, item)
  local stored = redis.call('HMGET', prompt_key(item.id), 'version', 'seq', 'status', 'created_at')
  local scheduled = item.trigger == 'schedule'
  local unchanged = stored[1] == item.version and stored[2] == item.seq and stored[3] == item.status
  local alive = stored[3] == 'scheduled' or stored[3] == 'active'
  local denied = not scheduled and denied_run(item.who, item.id)
  if not stored[1] then
    answers[i] = 'gone'
    if scheduled then redis.call('ZREM', due_key(item.platform), item.id) end
  elseif (scheduled and not (unchanged and alive)) or stored[1] ~= item.version or stored[3] == 'cancelled' or stored[3] == 'pending_approval'
    or redis.call('EXISTS', fire_key(item.fire)) == 1 then
    answers[i] = 'lost'
  elseif denied then
    answers[i] = denied
  elseif item.in_turn and waits(item) then
    answers[i] = 'waits'
  elseif item.deep and has_its_share(item) then
    answers[i] = 'deep'
  else
    item.skip = judge_overlap(item)
    if item.skip == 'early' or item.skip == 'lost' then
      answers[i] = item.skip
      return
    end
    answers[i] = 'made'
    make_fire(item, stored[1])
    if scheduled then
      move_on(item, stored)
    else
      redis.call('HSET', prompt_key(item.id), 'last_fire', item.fire)
      if item.rerun_of ~= '' then redis.call('HSET', fire_key(item.fire), 'rerun_of', item.rerun_of) end
      if item.who.by ~= '' then redis.call('HSET', fire_key(item.fire), 'by', item.who.by) end
      manual = true
    end
    answers[i] = 'claimed' .. (item.who and item.who.owner and ': ' .. item.fire or '')
  end
end

-- Whether what all have in common is of the wrong type: then nothing is wrong with the prompt.
local function is_hindered(item)
  local common = {[queues_key] = 'set', [ready_key(queue_name(item.platform, item.runner))] = 'zset', [due_key(item.platform)] = 'zset',
    [by_key('status', item.status)] = 'zset', [by_key('status', item.next_status)] = 'zset'}
  for key, should in pairs(common) do
    local is = redis.call('TYPE', key).ok
    if is ~= 'none' and is ~= should then return string.sub(key, #P + 1) end
  end
end

for i, item in ipairs(items) do
  local problem = harm_alone(claim, i, item)
  if problem then
    if answers[i] == 'made' then harm_alone(unmake_fire, item) end
    local hindrance = is_hindered(item)
    answers[i] = hindrance and 'hindered: ' .. hindrance or 'broken: ' .. problem
  end
end

if string.sub(answers[1] or '', 1, 8) ~= 'denied: ' then remember(answers) end  -- what was denied may be asked for again
for i, item in ipairs(items) do
  if answers[i] == 'claimed' and item.announce and item.next_at ~= '' then
    announce('armed', {prompt = item.id, platform = item.platform, due = item.next_at})
  end
end
if manual or somebody_woke then announce('ready', {}) end
announce_stops(replaced, 'replaced')
return answers
