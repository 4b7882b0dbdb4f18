-- take: ready fires are leased to a daemon (queued -> running | missed), best first across the queues it serves.
-- Guard: the fire is in `ready`, which only queued fires are; nothing is taken while all is stopped.
-- KEYS: meta
-- ARGV: op now limit lease daemon serves limits
-- `limit` is at most 500; `lease` is ms; `serves` is JSON, {platforms, runners}, `*` for all; `limits` is JSON, those of
-- the fleet, as `limits.py` writes them. The op id becomes the lease's token.
-- Answers {fires still ready, {fire id, its hash, flat, its definition} ...}. A repetition reads the
-- same fires again, those that are still held under this token.

-- The definition that a fire was claimed with. `version:<id>` holds earlier ones under the last version that had them.
local function definition_of(fire, version)
  local id = prompt_of(fire)
  local stored = redis.pcall('HMGET', prompt_key(id), 'doc', 'version')
  local doc = stored[1] or ''
  if stored[2] ~= version then
    local nearest
    for _, known in ipairs(redis.call('HKEYS', version_key(id))) do
      local number = tonumber(known)
      if number >= tonumber(version) and (not nearest or number < nearest) then nearest = number end
    end
    if nearest then doc = redis.call('HGET', version_key(id), string.format('%.0f', nearest)) end
  end
  return doc
end

local function describe(ids)
  local answer = {'0'}
  for _, fire in ipairs(ids) do
    local hash = redis.call('HGETALL', fire_key(fire))
    local doc, version = '', ''
    for i = 1, #hash, 2 do
      if hash[i] == 'version' then version = hash[i + 1] end
    end
    harm_alone(function() doc = definition_of(fire, version) end)
    answer[#answer + 1] = {fire, hash, doc}
  end
  return answer
end
if prior then
  local held = {}
  for _, fire in ipairs(prior) do
    local stored = redis.call('HMGET', fire_key(fire), 'status', 'token')
    if stored[1] == 'running' and stored[2] == op then held[#held + 1] = fire end
  end
  return describe(held)
end
if halted() then return {'0'} end

local limit, waiting, heads = tonumber(ARGV[3]), 0, {}
for _, queue in ipairs(served_queues(cjson.decode(ARGV[6]))) do
  local ready = ready_key(queue)
  local size = redis.call('ZCARD', ready)
  if size > 0 then
    waiting = waiting + size
    if limit > 0 then
      local page = redis.call('ZRANGE', ready, 0, limit - 1, 'WITHSCORES')
      for i = 1, #page, 2 do heads[#heads + 1] = {page[i], tonumber(page[i + 1]), ready} end
    end
  end
end
table.sort(heads, function(a, b)
  if a[2] ~= b[2] then return a[2] < b[2] end
  return a[1] < b[1]
end)

-- What the judges and the lease read of a fire, by name: `stored.attempt`; false where it has none.
local read = {
  'attempt',
  'started_at',
  'deadline',
}

-- Late: a fire begins within the grace that it was claimed with. Who has had an attempt is not judged again.
local function judge_lateness(fire, stored)
  local deadline = stored.attempt == '0' and tonumber(stored.deadline or '')
  if not deadline or tonumber(now) <= deadline then return nil end
  end_fire(fire, 'missed', 'late')
  return true
end

-- What the moment decides, in this order: each judge (of a fire and what is stored of it) answers nil where the fire may
-- run; else it has put the fire where it belongs (ended, or into another index).
local judges = {
  judge_lateness,
}

local function may_run(fire, stored)
  for _, judge in ipairs(judges) do
    if judge(fire, stored) then return false end
  end
  return true
end

local taken, gone, leased = {}, {}, {}
local expiry = string.format('%.0f', tonumber(now) + tonumber(ARGV[4]))

local function lease(fire)
  local hash = fire_key(fire)
  local values, stored = redis.pcall('HMGET', hash, unpack(read)), {}
  for i, name in ipairs(read) do stored[name] = values[i] end
  if not stored.attempt or not may_run(fire, stored) then return end  -- a record that is none harms itself alone
  if stored.started_at then redis.call('HDEL', hash, 'started_at', 'retry_at') end
  redis.call('HSET', hash, 'status', 'running', 'attempt', (tonumber(stored.attempt) or 0) + 1, 'token', op, 'daemon', ARGV[5])
  leased[#leased + 1] = expiry
  leased[#leased + 1] = fire
  taken[#taken + 1] = fire
end

for i = 1, math.min(limit, #heads) do
  local fire, ready = heads[i][1], heads[i][3]
  gone[ready] = gone[ready] or {}
  table.insert(gone[ready], fire)
  waiting = waiting - 1
  lease(fire)
end
for ready, fires in pairs(gone) do for_each_chunk(fires, 'ZREM', ready) end
for_each_chunk(leased, 'ZADD', leases_key)
if #taken > 0 then remember(taken) end
local answer = describe(taken)
answer[1] = tostring(waiting)
return answer
