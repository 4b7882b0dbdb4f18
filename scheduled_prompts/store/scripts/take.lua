-- take: ready fires are leased to a daemon (queued -> running | missed | skipped), best first across the queues it serves;
-- those for which a limit leaves no room are parked at it (queued, in another index), or wait for their turn (-> retrying).
-- Guard: the fire is in `ready`, which only queued fires are; nothing is taken while all is stopped.
-- KEYS: meta
-- ARGV: op now limit lease daemon serves limits budgets
-- `limit` is at most 500; `lease` is ms; `serves` is JSON, {platforms, runners}, `*` for all; `limits` is JSON, those of
-- the fleet, as `limits.py` writes them; `budgets` JSON, as `budgets.py` does. The op id becomes the lease's token.
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
now = now_at_least()  -- leases count from here, and what is too late is so by the server's clock

redis.call('ZCARD', leases_key)  -- of the wrong type it takes no lease, and says so before anything is changed
local limit, queues = tonumber(ARGV[3]), served_queues(cjson.decode(ARGV[6]))

-- The best `count` of all that is ready, across the queues; they are in `ready` no longer.
local function pop(count)
  local heads, gone = {}, {}
  for _, queue in ipairs(queues) do
    local page = if_usable('ZRANGE', ready_key(queue), 0, count - 1, 'WITHSCORES') or {}
    for i = 1, #page, 2 do heads[#heads + 1] = {page[i], tonumber(page[i + 1]), queue} end
  end
  table.sort(heads, function(a, b)
    if a[2] ~= b[2] then return a[2] < b[2] end
    return a[1] < b[1]
  end)
  for i = count + 1, #heads do heads[i] = nil end
  for _, head in ipairs(heads) do
    gone[head[3]] = gone[head[3]] or {}
    table.insert(gone[head[3]], head[1])
  end
  for queue, fires in pairs(gone) do
    redis.call('SADD', queues_key, queue)  -- it is there: a server that takes no more says so before anything is changed
    for_each_chunk(fires, 'ZREM', ready_key(queue))
  end
  return heads
end

-- What the judges and the lease read of a fire, by name: `stored.attempt`; false where it has none.
local read = {
  'status', 'attempt',
  'started_at',
  'deadline', 'reason',
  'trigger', 'turns', 'version',
  'platform',
  'runner',
  'agent',
  'conversation',
  'overlap',
  'concurrency_key',
  'concurrency',
  'woken',
  'priority', 'due', 'turn',
  'failures', 'crashes', 'error',
  'owner', 'max_cost', 'budget_day', 'budget_total', 'cost', 'assumed', 'due', 'tree',
}

-- No attempt of it can have begun: there was none, or it was given back; and then it may have waited for its turn.
local function has_not_begun(stored)
  if stored.attempt == '0' or stored.reason == 'given_back' then return true end
  return stored.turns and not (stored.failures or stored.crashes or stored.started_at)
end

-- Late: a fire begins within the grace that it was claimed with. What may have begun is not judged again.
local function judge_lateness(fire, stored)
  local deadline = tonumber(stored.deadline or '')
  if not deadline or tonumber(now) <= deadline or not has_not_begun(stored) then return nil end
  end_fire(fire, 'missed', 'late')
  return true
end

-- How many may run at once, over all daemons: of any one owner, …, and of those that are named.
local at_once, limited = cjson.decode(ARGV[7]).concurrency or {}, {}
for _, kind in ipairs({'owner', 'agent', 'conversation', 'platform', 'runner'}) do
  if at_once[kind] or at_once[kind .. 's'] then limited[#limited + 1] = kind end
end

local no_limits = {}

local function limits_of(stored)
  if #limited == 0 and not stored.concurrency_key then return no_limits end
  local found = {}
  for _, kind in ipairs(limited) do
    local value, named = stored[kind], at_once[kind .. 's']
    local most = value and (named and named[value] or at_once[kind])
    if most then found[#found + 1] = {kind .. ':' .. value, most} end
  end
  local of_key = stored.concurrency_key and tonumber(stored.concurrency or '')
  if of_key then found[#found + 1] = {'key:' .. stored.concurrency_key, of_key} end
  return found
end

-- Of a prompt whose fires run one after the other.
local function another_runs(fire)
  for _, other in ipairs(live_fires(prompt_of(fire))) do
    if redis.pcall('HGET', fire_key(other), 'status') == 'running' then return true end
  end
  return false
end

-- It waits beside `ready` for one that runs to end: of its prompt, or of those that share a limit with it.
local function waits_for_a_slot(fire, stored)
  stored.limits = limits_of(stored)
  local full = stored.overlap and another_runs(fire) and 'prompt:' .. prompt_of(fire)
  for _, limit in ipairs(stored.limits) do
    full = full or slots_taken(limit[1]) >= limit[2] and limit[1]
  end
  if not full then return nil end
  park(fire, full, string.format('%.0f', stored.score))
  stored.parked = full
  return true
end

local DAY = 86400000
local TURNS_KEPT = 7 * DAY  -- beyond its time: who has not come by then is not waited for
local rates = cjson.decode(ARGV[7]).rates or {}

-- The limits on how many begin within 24 h that a fire counts for: {{cap, most}, …}.
local function rates_of(fire, stored)
  local found = {}
  for _, cap in ipairs(rate_caps(fire, stored.owner, stored.conversation, stored.agent, stored.tree)) do
    local most = rates[string.match(cap, '^%l+')]
    if most then found[#found + 1] = {cap, most} end
  end
  return found
end

-- When one more may begin; nil: now. What comes first: those that began less than 24 h ago, then those whose turn is before
-- its own (all, where it has none yet). Of these `most` less one may be within 24 h when it begins.
local function its_turn(fire, cap, most)
  local began, turns = rate_key(cap), turns_key(cap)
  redis.call('ZREMRANGEBYSCORE', began, '-inf', string.format('%.0f', tonumber(now) - DAY))
  redis.call('ZREMRANGEBYSCORE', turns, '-inf', string.format('%.0f', tonumber(now) - TURNS_KEPT))
  local ran, ahead = redis.call('ZCARD', began), redis.call('ZRANK', turns, fire) or redis.call('ZCARD', turns)
  local surplus = ran + ahead - most
  if surplus < 0 then return nil end
  if surplus < ran then return tonumber(redis.call('ZRANGE', began, surplus, surplus, 'WITHSCORES')[2]) + DAY end
  local turn = tonumber(redis.call('ZRANGE', turns, surplus - ran, surplus - ran, 'WITHSCORES')[2])
  return math.max(turn, tonumber(now)) + DAY
end

-- Which limit it is, for whoever asks why.
local function in_words(cap, most)
  local kind, name = string.match(cap, '^(%l+):(.*)$')
  if kind == 'tree' then kind, name = 'prompt', string.sub(name, -8) .. ' and what its fires made' end
  local who = name == '' and 'prompts without ' .. (kind == 'owner' and 'an ' or 'a ') .. kind or kind .. ' ' .. name
  return who .. ': no more than ' .. most .. ' may begin within 24 h'
end

local function wait_for_turn(fire, stored, caps, at, words)
  if stored.turns then give_up_turns(fire, stored.turns) end
  local retry_at = string.format('%.0f', at)
  for _, cap in ipairs(caps) do
    redis.call('ZADD', turns_key(cap), retry_at, fire)
    redis.call('PEXPIRE', turns_key(cap), string.format('%.0f', at - tonumber(now) + TURNS_KEPT))
  end
  redis.call('HSET', fire_key(fire), 'status', 'retrying', 'reason', 'rate_limit', 'retry_at', retry_at,
    'turns', table.concat(caps, ' '))
  redis.call('HSETNX', fire_key(fire), 'error', words)  -- not over that of an attempt
  redis.call('ZADD', retries_key, retry_at, fire)
  event('retrying', prompt_of(fire), 'fire', fire, 'retry_at', retry_at, 'reason', 'rate_limit')
end

-- Another occurrence will come of what recurs; not of a one-shot, nor of a run that somebody asked for.
local function comes_again(fire, stored)
  if stored.trigger ~= 'schedule' then return false end
  local ok, definition = pcall(cjson.decode, definition_of(fire, stored.version))
  return ok and type(definition) == 'table' and type(definition.schedule) == 'table' and definition.schedule.kind ~= 'once'
end

-- So many began within 24 h: the occurrence is skipped where another will come; what would be lost waits for its turn, and so
-- does a further attempt.
local function judge_rate(fire, stored)
  local at, full, words = 0, {}, {}
  for _, rate in ipairs(rates_of(fire, stored)) do
    local turn = its_turn(fire, rate[1], rate[2])
    if turn then
      full[#full + 1] = rate[1]
      words[#words + 1] = in_words(rate[1], rate[2])
      at = math.max(at, turn)
    end
  end
  if #full == 0 then return nil end
  if has_not_begun(stored) and not stored.turns and comes_again(fire, stored) then
    end_fire(fire, 'skipped', 'rate_limit', 'error', table.concat(words, '; '))
  else
    wait_for_turn(fire, stored, full, at, table.concat(words, '; '))
  end
  return true
end

-- Each attempt counts, whatever becomes of it.
local function count_attempt(fire, stored, attempt)
  for _, rate in ipairs(rates_of(fire, stored)) do
    redis.call('ZADD', rate_key(rate[1]), now, fire .. '#' .. attempt)
    redis.call('PEXPIRE', rate_key(rate[1]), DAY)
  end
  if stored.turns then
    give_up_turns(fire, stored.turns)
    redis.call('HDEL', fire_key(fire), 'reason', 'retry_at')
  end
end

local budgets = cjson.decode(ARGV[8])

-- What is left of the budgets of one scope: nil, or which of them has no room for a fire that may cost `wants` more (of
-- `most` in all; where nobody said how much that is, something must be left). Amounts are micro-units. What cannot be read
-- has no room: this is about money.
local function without_room(scope, whose, day, per_day, total, most, wants)
  if not per_day and not total then return nil end
  local spent = redis.pcall('HMGET', spend_key(scope), 'spent', 'reserved', 'day', 'day_spent', 'day_reserved')
  local function check(limit, words, used, reserved)
    if not limit then return nil end
    limit, used, reserved = tonumber(limit), tonumber(used or '0'), tonumber(reserved or '0')
    if spent.err or not (limit and used and reserved) then return 'the budget of ' .. whose .. words .. ' cannot be read' end
    local taken = used + reserved
    if taken + wants <= limit and (most > 0 or taken < limit) then return nil end
    return 'no room in the budget of ' .. whose .. words .. ': ' .. amount(limit) .. ' ' .. budgets.currency .. ', of which '
      .. amount(used) .. ' spent and ' .. amount(reserved) .. ' reserved; this fire may cost '
      .. (most > 0 and amount(wants) or 'any amount')
  end
  local is_today = spent[3] and spent[3] >= day
  return check(total, ' in all', spent[1], spent[2])
    or check(per_day, ' for ' .. day, is_today and spent[4], is_today and spent[5])
end

-- A fire that is taken ahead belongs to the day on which it is due.
local function day_of(due)
  return budgets.turns_at and tonumber(due) >= tonumber(budgets.turns_at) and budgets.next_day or budgets.day
end

-- One that has run already failed, and only its next attempt is too much.
local function end_without_money(fire, stored, problem)
  if stored.failures or stored.crashes or stored.started_at then
    end_fire(fire, 'failed', 'budget', 'error', (stored.error and stored.error .. '; ' or '') .. 'not tried again: ' .. problem)
  else
    end_fire(fire, 'skipped', 'budget', 'error', problem)
  end
end

-- What is made in a fire spends the money of the first of its ancestors, too.
local function without_room_at_root(root, day, most, wants)
  local doc = redis.pcall('HGET', prompt_key(root), 'doc')
  if not doc then return nil end  -- it is gone, and what it could spend with it
  local definition = cjson.decode(doc)
  local function micro(said) return said and string.format('%.0f', tonumber(said) * 1000000) end
  return without_room('prompt:' .. root, 'prompt ' .. string.sub(root, -8) .. ', in whose fires this one was made,', day,
    micro(definition.budget_day), micro(definition.budget_total), most, wants)
end

-- What any one fire may cost, of this owner and of all; nil where nobody says.
local function limit_of_one(of_owner)
  local own, any = tonumber(of_owner.per_fire or ''), tonumber(budgets.per_fire or '')
  return own and any and math.min(own, any) or own or any
end

-- The last of the judges, because it reserves: what a fire may cost at most, until it is known what it did cost.
local function judge_budget(fire, stored)
  local id, owner, day = prompt_of(fire), stored.owner or '', day_of(stored.due)
  local of_owner = budgets.owners and budgets.owners[owner]
    or {per_fire = budgets.owner_per_fire, per_day = budgets.owner_per_day, total = budgets.owner_total}
  if owner == '' then of_owner = {} end
  local of_one = limit_of_one(of_owner)
  local most = tonumber(stored.max_cost or budgets.reserve)
  if not stored.max_cost and most == 0 then most = of_one or 0 end
  local cost = tonumber(stored.cost or '') or 0
  local wants = math.max(0, most - cost - (tonumber(stored.assumed or '') or 0))
  local used_up = most > 0 and cost >= most
    and 'it has cost ' .. amount(cost) .. ' of the ' .. amount(most) .. ' ' .. budgets.currency .. ' that it may'
  local too_much = of_one and most > of_one
    and 'it may cost ' .. amount(most) .. ' ' .. budgets.currency .. ', and one fire no more than ' .. amount(of_one)
  local problem = used_up or too_much or without_room('prompt:' .. id, 'this prompt', day, stored.budget_day, stored.budget_total, most, wants)
    or stored.tree and without_room_at_root(stored.tree, day, most, wants)
    or without_room('owner:' .. owner, 'owner ' .. owner, day, of_owner.per_day, of_owner.total, most, wants)
    or without_room('all', 'everything', day, budgets.per_day, budgets.total, most, wants)
  if not problem then
    if most > 0 then reserve(fire, owner, wants, most, day) end
    return nil
  end
  end_without_money(fire, stored, problem)
  return true
end

-- What the moment decides, in this order: each judge (of a fire and what is stored of it) answers nil where the fire may
-- run; else it has put the fire where it belongs (ended, or into another index).
local judges = {
  judge_lateness,
  waits_for_a_slot,
  judge_rate,
  judge_budget,
}

-- Its slots are the fire's until it leaves `running` (`release`). Where there is room for more, the next that waits is woken:
-- the limit may have been raised.
local function hold_slots(fire, stored)
  if not stored.limits or #stored.limits == 0 then return end
  local held = {}
  for _, limit in ipairs(stored.limits) do
    held[#held + 1] = limit[1]
    redis.pcall('SADD', slots_key(limit[1]), fire)
    if slots_taken(limit[1]) < limit[2] then wake(limit[1]) end
  end
  redis.call('HSET', fire_key(fire), 'slots', table.concat(held, ' '))
end

local function may_run(fire, stored)
  for _, judge in ipairs(judges) do
    local could_read, elsewhere = pcall(judge, fire, stored)
    if not could_read then
      harm_alone(error, elsewhere, 0)  -- what it cannot read is no limit, unless it is about money
      if redis.call('HGET', fire_key(fire), 'status') ~= 'queued' then return false end  -- it was put elsewhere all the same
      if judge == judge_budget then
        harm_alone(end_without_money, fire, stored, 'what it may cost cannot be read')
        return false
      end
    elseif elsewhere then
      return false
    end
  end
  return true
end

-- Whether a fire that was woken for a slot needs it: a limit may be no more.
local function wants_slot(stored, limit)
  if string.sub(limit, 1, 7) == 'prompt:' then return true end
  for _, one in ipairs(stored.limits or no_limits) do
    if one[1] == limit then return true end
  end
  return false
end

local taken, leased = {}, {}
local expiry = string.format('%.0f', tonumber(now) + tonumber(ARGV[4]))

local function lease(fire, score)
  local hash = fire_key(fire)
  local values, stored = redis.pcall('HMGET', hash, unpack(read)), {score = score}
  for i, name in ipairs(read) do stored[name] = values[i] end
  -- A record that is none harms itself alone. One that was ready when it was popped may have ended since: another's end can
  -- make its prompt give up.
  if not stored.attempt or stored.status ~= 'queued' then return end
  local may = may_run(fire, stored)
  if stored.owner and not stored.parked then leave_turn(stored.owner, stored.priority, stored.due, stored.turn) end
  if stored.woken and stored.parked ~= stored.woken then
    redis.call('HDEL', hash, 'woken')
    if not may or not wants_slot(stored, stored.woken) then wake(stored.woken) end
  end
  if not may then return end
  local attempt = (tonumber(stored.attempt) or 0) + 1
  if stored.started_at then redis.call('HDEL', hash, 'started_at', 'retry_at') end
  redis.call('HSET', hash, 'status', 'running', 'attempt', attempt, 'token', op, 'daemon', ARGV[5])
  leased[#leased + 1] = expiry
  leased[#leased + 1] = fire
  taken[#taken + 1] = fire
  hold_slots(fire, stored)
  harm_alone(count_attempt, fire, stored, attempt)
end

-- Those that are to wait elsewhere take nobody's place: who stands behind them is looked at, too, up to so many.
local looked = 0
while #taken < limit and looked < 1000 do
  local heads = pop(limit - #taken)
  if #heads == 0 then break end
  for _, head in ipairs(heads) do harm_alone(lease, head[1], head[2]) end
  looked = looked + #heads
end
for_each_chunk(leased, 'ZADD', leases_key)
if #taken > 0 then remember(taken) end
local answer, waiting = describe(taken), 0
for _, queue in ipairs(queues) do waiting = waiting + (if_usable('ZCARD', ready_key(queue)) or 0) end
answer[1] = tostring(waiting)
return answer
