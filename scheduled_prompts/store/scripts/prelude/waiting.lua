-- Where a queued fire waits: in `ready` by priority and turn, or parked at a limit that is full.

-- High priority first, then by turn (mostly when it is due). Below 2^53, so exact as a score.
local function ready_score(priority, due)
  return string.format('%.0f', (100 - tonumber(priority)) * 8796093022208 + tonumber(due))
end

local queues_known = {}

local function put_in_ready(fire, platform, runner, priority, due)
  local queue = queue_name(platform, runner)
  if not queues_known[queue] then
    redis.call('SADD', queues_key, queue)
    queues_known[queue] = true
  end
  redis.call('ZADD', ready_key(queue), ready_score(priority, due), fire)
end

-- The halt that holds, as JSON; false where all goes its way. Asked first of all by what would make something run.
local function halted() return redis.call('HGET', KEYS[1], 'halted') end

-- Fairness. Within a priority a fire stands where its turn says: when it is due, or, where its owner has others waiting,
-- a minute behind the last of these, and not before what is being served. So an owner with thousands is served in turn with
-- the others, and each owner's own go by when they are due. `fair` knows the last turn of each owner who has fires waiting,
-- and how far each priority has come; it forgets who has none. Those without an owner do not stand back for one another.
local TURN_APART = 60000
local PRIORITIES = 101  -- 0 to 100: more fields than these, and somebody waits

-- `place` is the turn of one that it stands in for, or nil.
local function turn_of(owner, priority, due, place)
  if owner == '' then return place or due end
  local class = priority .. ':' .. owner
  local stored, turn = redis.pcall('HMGET', fair_key, class, 'reached:' .. priority), tonumber(place or due)
  local last = tonumber(stored[1] or '') or 0
  if stored[1] and not place then
    turn = math.max(turn, last + TURN_APART, tonumber(stored[2] or '') or 0)
  end
  turn = string.format('%.0f', turn)
  if not place or tonumber(turn) > last then redis.pcall('HSET', fair_key, class, turn) end
  return turn
end

-- A fire waits no longer. `turn` is where it stood, where that was not when it was due.
local function leave_turn(owner, priority, due, turn)
  local class = priority .. ':' .. owner
  local last = redis.pcall('HGET', fair_key, class)
  if turn then
    local reached = redis.pcall('HGET', fair_key, 'reached:' .. priority)
    if type(reached) ~= 'table' and tonumber(turn) > (tonumber(reached or '') or 0) then
      redis.call('HSET', fair_key, 'reached:' .. priority, turn)
    end
  end
  if type(last) == 'table' or (last and tonumber(turn or due) < (tonumber(last) or 0)) then return end
  if not last and not turn then return end
  redis.call('HDEL', fair_key, class)
  if redis.call('HLEN', fair_key) > PRIORITIES then return end
  for _, field in ipairs(redis.call('HKEYS', fair_key)) do
    if string.sub(field, 1, 8) ~= 'reached:' then return end
  end
  redis.call('DEL', fair_key)
end

-- One that waited before: where it stood.
local function put_back_in_ready(fire)
  local stored = redis.call('HMGET', fire_key(fire), 'platform', 'runner', 'priority', 'due', 'turn')
  put_in_ready(fire, stored[1], stored[2], stored[3], stored[5] or stored[4])
end

-- What waits for a limit is parked beside `ready`, so that it blocks nobody, and is not looked at again and again. Limits are
-- named `<kind>:<value>`: `owner:ann`; `prompt:<id>` is that of a prompt whose fires run one after the other.
-- `slots:<limit>` is the set of the fires that run under it; of a prompt, `live` tells.
local function park(fire, limit, score)
  redis.call('ZADD', parked_key(limit), score, fire)
  redis.call('SADD', parked_limits_key, limit)
  redis.call('HDEL', fire_key(fire), 'woken')
  redis.call('HSET', fire_key(fire), 'parked', limit)
end

local function unpark(fire, limit)
  redis.pcall('ZREM', parked_key(limit), fire)
  redis.call('HDEL', fire_key(fire), 'parked')
  if redis.call('EXISTS', parked_key(limit)) == 0 then redis.call('SREM', parked_limits_key, limit) end
end

-- A key of the wrong type limits nothing.
local function slots_taken(limit)
  local taken = redis.pcall('SCARD', slots_key(limit))
  return type(taken) == 'number' and taken or 0
end

-- The best of those that are parked at a limit tries again. Whoever takes it finds out whether there is room, and wakes
-- the next where there is. Fires with one `concurrency_key` may differ in how many they let run: the first that could.
local somebody_woke = false

-- What is parked there and is no such fire goes: it must not harm the fire whose end wakes it. Returns which one was woken.
local function wake(limit)
  local is_key = string.sub(limit, 1, 4) == 'key:'
  for _ = 1, 20 do
    local strays = 0
    for _, fire in ipairs(redis.pcall('ZRANGE', parked_key(limit), 0, is_key and 19 or 0)) do
      local stored = redis.pcall('HMGET', fire_key(fire), 'status', 'parked', 'concurrency')
      if stored[1] ~= 'queued' or stored[2] ~= limit then
        redis.call('ZREM', parked_key(limit), fire)
        strays = strays + 1
      else
        local most = is_key and tonumber(stored[3] or '')
        if not most or slots_taken(limit) < most then
          unpark(fire, limit)
          redis.call('HSET', fire_key(fire), 'woken', limit)
          put_back_in_ready(fire)
          somebody_woke = true
          return fire
        end
      end
    end
    if strays == 0 then return end
  end
end

-- A queued fire leaves the index that it waits in, not to run. It was woken for a slot, which is somebody else's then.
local function leave_queue(fire)
  local stored = redis.call('HMGET', fire_key(fire), 'platform', 'runner', 'parked', 'woken', 'owner', 'priority', 'due', 'turn')
  if stored[5] then leave_turn(stored[5], stored[6], stored[7], stored[8]) end
  if stored[3] then return unpark(fire, stored[3]) end
  redis.call('ZREM', ready_key(queue_name(stored[1], stored[2])), fire)
  if stored[4] then
    redis.call('HDEL', fire_key(fire), 'woken')
    wake(stored[4])
  end
end
