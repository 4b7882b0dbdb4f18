-- Put before every script. KEYS[1] is the `meta` key; all other keys share its hash tag and are spelled here.
-- ARGV[1] is the op id ('' where a repetition is harmless), ARGV[2] is now (ms UTC).
--
-- A script may run twice: its reply is lost and the client sends it again. The first answer is kept under the op id
-- for two minutes, longer than any client keeps trying, and is given again. Answers are arrays of strings.
--
-- Instants travel as strings of ms: `tostring` of a number above 10^14 would lose digits.
local P = string.sub(KEYS[1], 1, -5)
local op, now = ARGV[1], ARGV[2]

local function prompt_key(id) return P .. 'prompt:' .. id end
local function by_key(field, value) return P .. 'by:' .. field .. ':' .. value end
local function key_key(owner, key) return P .. 'key:' .. owner .. ':' .. key end
local function due_key(platform) return P .. 'due:' .. platform end
local function fire_key(id) return P .. 'fire:' .. id end
local function queue_name(platform, runner) return platform .. '/' .. runner end
local function ready_key(queue) return P .. 'ready:' .. queue end
local function live_key(id) return P .. 'live:' .. id end
local function history_key(id) return P .. 'history:' .. id end
local function spans_key(id) return P .. 'spans:' .. id end
local function version_key(id) return P .. 'version:' .. id end
local function spend_key(scope) return P .. 'spend:' .. scope end
local function parked_key(limit) return P .. 'parked:' .. limit end
local function slots_key(limit) return P .. 'slots:' .. limit end
local function ended_key(window) return P .. 'ended:' .. window end
-- `cap` is `owner:<owner>` or `conversation:<conversation>`.
local function active_key(cap) return P .. 'active:' .. cap end
local function rate_key(cap) return P .. 'rate:' .. cap end
local function turns_key(cap) return P .. 'turns:' .. cap end
local platforms_key, queues_key, quarantine_key = P .. 'platforms', P .. 'queues', P .. 'quarantine'
local leases_key, retries_key, events_key = P .. 'leases', P .. 'retries', P .. 'events'
local daemons_key, daemon_info_key = P .. 'daemons', P .. 'daemon_info'
local halts_key, parked_limits_key, fair_key = P .. 'halts', P .. 'parked', P .. 'fair'

local function prompt_of(fire_id) return string.sub(fire_id, 1, 26) end

-- Errors that are no item's fault: the server refuses to write at all.
local refusals = {'OOM ', 'MISCONF ', 'READONLY ', 'NOREPLICAS ', 'NOPERM ', 'ACL failure', 'The user executing the script'}

-- What a script did to one item must not be undone by what is wrong with another: an error (a key of the wrong type)
-- ends this item alone. Returns the error's text, or nil.
local function harm_alone(change, ...)
  local ok, problem = pcall(change, ...)
  if ok then return nil end
  local text = type(problem) == 'table' and problem.err or tostring(problem)
  for _, refusal in ipairs(refusals) do
    if string.find(text, refusal, 1, true) then error(problem, 0) end
  end
  return text
end

local function remember(answer)
  if op ~= '' then redis.call('SET', P .. 'op:' .. op, cjson.encode(answer), 'PX', 120000) end
  return answer
end

-- Last of all, and allowed to fail: an ACL may forbid channels.
local function announce(kind, fields)
  fields.type = kind
  redis.pcall('PUBLISH', P .. 'changes', cjson.encode(fields))
end

local function event(kind, prompt, ...)
  redis.call('XADD', events_key, 'MAXLEN', '~', 10000, '*', 'type', kind, 'at', now, 'prompt', prompt, ...)
end

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
  if type(last) ~= 'string' or tonumber(turn or due) < (tonumber(last) or 0) then return end
  redis.call('HDEL', fair_key, class)
  if redis.call('HLEN', fair_key) > 4 then return end
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

local function as_set(names)
  local set = {}
  for _, name in ipairs(names) do set[name] = true end
  return set
end

-- The platforms and queues that somebody serves. `serves` is JSON {platforms, runners}: lists of names, `*` for all.
local function served_platforms(serves)
  local wanted, found = as_set(serves.platforms), {}
  for _, platform in ipairs(redis.call('SMEMBERS', platforms_key)) do
    if wanted['*'] or wanted[platform] then found[#found + 1] = platform end
  end
  table.sort(found)
  return found
end

local function served_queues(serves)
  local platforms, runners, found = as_set(serves.platforms), as_set(serves.runners), {}
  for _, queue in ipairs(redis.call('SMEMBERS', queues_key)) do
    local platform, runner = string.match(queue, '^(.*)/(.*)$')
    if (platforms['*'] or platforms[platform]) and (runners['*'] or runners[runner]) then found[#found + 1] = queue end
  end
  table.sort(found)
  return found
end

local function has_ended(status) return status == 'executed' or status == 'cancelled' end
local function is_armed(status) return status == 'scheduled' or status == 'active' end

-- The sets of active prompts that one counts in, with blanks between: what agents create counts for its owner (what has no
-- owner is counted together, so that leaving it out is no way around) and for its conversation. What people create does not.
local function caps_of(agent, owner, conversation)
  if (agent or '') == '' then return '' end
  local caps = 'owner:' .. (owner or '')
  if (conversation or '') ~= '' then caps = caps .. ' conversation:' .. conversation end
  return caps
end

-- A prompt joins the sets that its hash names when it is armed, and leaves them with any other status. Also where nothing is
-- limited: a limit that is set later then finds them right.
local function count_active(id, status)
  local caps = redis.pcall('HGET', prompt_key(id), 'caps')
  if type(caps) ~= 'string' then return end
  for cap in string.gmatch(caps, '%S+') do redis.pcall(is_armed(status) and 'SADD' or 'SREM', active_key(cap), id) end
end

-- Why a prompt cannot be armed: {'full', the set, its limit} where one that it is not in has no room. `limits`: the most
-- for an owner and for a conversation; absent where there is no limit.
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
  for _, status in ipairs({'scheduled', 'active', 'paused', 'quarantined', 'executed', 'cancelled'}) do
    redis.call('ZREM', by_key('status', status), id)
  end
  if to then redis.call('ZADD', by_key('status', to), created, id) end
  count_active(id, to)
end

-- A counter that may not be a number: that may be what is wrong with the record.
local function raised(counter) return string.format('%.0f', (tonumber(counter or '') or 0) + 1) end

-- Out of the due index of every platform, for the same reason.
local function remove_from_due(id)
  for _, platform in ipairs(redis.call('SMEMBERS', platforms_key)) do redis.call('ZREM', due_key(platform), id) end
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
  local holder = redis.call('GET', key_key(owner, key))
  if not holder or holder == id then return nil end
  local stored = stored_prompt(holder)
  return stored and not has_ended(stored[1]) and holder or nil
end

-- Of more than these the oldest go. The first entry then says how many are gone, and from when until when they were.
local MOST_SPANS = 1000

local function trim_spans(key)
  local trimmed = {kind = 'trimmed', count = 0}
  repeat
    local ok, oldest = pcall(cjson.decode, redis.call('LPOP', key))
    if not ok or type(oldest) ~= 'table' then oldest = {} end
    trimmed.count = trimmed.count + (oldest.count or 1)
    trimmed.since = trimmed.since or oldest.since and oldest.kind == 'trimmed' and oldest.since or oldest.at
    trimmed.at = oldest.at or trimmed.at
  until redis.call('LLEN', key) < MOST_SPANS
  redis.call('LPUSH', key, cjson.encode(trimmed))
end

-- Of what `explain` tells beyond fires. Instants are strings of ms; what is unknown ('') is left out.
local function span(id, kind, fields)
  local entry = {kind = kind, at = now}
  for name, value in pairs(fields) do
    if value and value ~= '' then entry[name] = value end
  end
  if redis.call('RPUSH', spans_key(id), cjson.encode(entry)) > MOST_SPANS then trim_spans(spans_key(id)) end
end

-- A change that somebody made, as an entry there. It is made whether or not there is a list to note it down in.
local function note_change(id, kind, by, fields)
  fields.by = by
  harm_alone(span, id, kind, fields)
end

-- From where on a schedule's occurrences were not claimed: what was next, or, where nothing was left, behind the last one.
local function first_unclaimed(next_nominal, last)
  if tonumber(next_nominal or '') then return next_nominal end
  return last and string.format('%.0f', last + 1) or nil
end

-- How many fires ended in these five minutes, by how: 'succeeded', 'failed', …; and how late they started, in buckets of
-- eight to a doubling. Each is counted where it ends, once. Kept for 26 hours.
local function count(field)
  local ended = ended_key(string.format('%.0f', math.floor(tonumber(now) / 300000)))
  if redis.call('HINCRBY', ended, field, 1) == 1 then redis.call('EXPIRE', ended, 93600) end
end

local function count_lateness(late)
  count('late:' .. math.floor(8 * math.log(math.max(0, late) + 1) / math.log(2)))
end

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

-- Money is counted in micro-units of one currency, for three scopes: everything, an owner, a prompt. Each has one hash: what
-- was spent and is reserved, in all and on the latest day. A plain sum is exact here: a fire's reservation is written with
-- its take and ends with the one transition out of `running`, each of which happens once, whoever repeats it.

local function amount(micro)
  local whole, places = math.floor(micro / 1000000), string.format('%06d', micro % 1000000)
  return string.format('%.0f.', whole) .. string.sub(places, 1, 2) .. (string.gsub(string.sub(places, 3), '0+$', ''))
end

-- What changes in one scope, by field. Of a day before the latest only the sums are left.
local function book(scope, day, changes)
  local key = spend_key(scope)
  local latest = redis.call('HGET', key, 'day')
  if not latest or latest < day then
    redis.call('HDEL', key, 'day_spent', 'day_reserved', 'day_tokens_in', 'day_tokens_out')
    redis.call('HSET', key, 'day', day)
    latest = day
  end
  for field, change in pairs(changes) do
    if change ~= 0 then
      change = string.format('%.0f', change)
      redis.call('HINCRBY', key, field, change)
      if latest == day then redis.call('HINCRBY', key, 'day_' .. field, change) end
    end
  end
end

local function book_all(fire, owner, day, changes)
  harm_alone(book, 'all', day, changes)
  harm_alone(book, 'prompt:' .. prompt_of(fire), day, changes)
  if owner and owner ~= '' then harm_alone(book, 'owner:' .. owner, day, changes) end
end

-- Before an attempt: it may cost `wants` more, so that the fire comes to `most` at most.
local function reserve(fire, owner, wants, most, day)
  redis.call('HSET', fire_key(fire), 'reserved', string.format('%.0f', wants), 'spend_day', day, 'max_cost', string.format('%.0f', most))
  book_all(fire, owner, day, {reserved = wants})
end

-- After an attempt: what was reserved is free, and what it cost is spent. What nobody knows (its daemon was lost, its runner
-- did not say) counts as what was reserved, until a later attempt of the fire leaves less room for it below `max_cost`.
local function reconcile(fire, item)
  local hash, usage = fire_key(fire), item and item.usage
  local stored = redis.call('HMGET', hash, 'reserved', 'spend_day', 'owner', 'max_cost', 'cost', 'assumed')
  if not stored[1] and not usage then return end
  local reserved, most = tonumber(stored[1] or '') or 0, tonumber(stored[4] or '') or 0
  local known, assumed = tonumber(stored[5] or '') or 0, tonumber(stored[6] or '') or 0
  local before, changes = known + assumed, {reserved = -reserved}
  if usage and usage.cost ~= '' and usage.is_foreign == '' then
    local was = known
    known = known + tonumber(usage.cost)
    assumed = math.min(assumed, math.max(0, most - known))
    redis.call('HSET', hash, 'cost', string.format('%.0f', known))
    if stored[4] and known > most and was <= most then
      event('over_budget', prompt_of(fire), 'fire', fire, 'cost', amount(known), 'max_cost', amount(most))
    end
  elseif not item or item.started_at ~= '' then
    assumed = assumed + reserved
  end
  if assumed > 0 or stored[6] then redis.call('HSET', hash, 'assumed', string.format('%.0f', assumed)) end
  if stored[1] then redis.call('HDEL', hash, 'reserved', 'spend_day') end
  if usage then
    changes.tokens_in, changes.tokens_out = tonumber(usage.tokens_in), tonumber(usage.tokens_out)
    redis.call('HINCRBY', hash, 'tokens_in', usage.tokens_in)
    redis.call('HINCRBY', hash, 'tokens_out', usage.tokens_out)
    if usage.cost ~= '' then
      redis.call('HINCRBY', hash, 'usage_cost', usage.cost)
      redis.call('HSET', hash, 'currency', usage.currency)
    end
    if usage.is_foreign ~= '' then
      event('cost_not_counted', prompt_of(fire), 'fire', fire, 'cost', amount(tonumber(usage.cost)), 'currency', usage.currency)
    end
  end
  changes.spent = known + assumed - before
  book_all(fire, stored[3], stored[2] or usage.day, changes)
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

-- What a limit on how many fires begin counts a fire for, as `active_key` takes it: its owner ('': those without one) and its
-- conversation.
local function rate_caps(owner, conversation)
  local caps = {'owner:' .. (owner or '')}
  if conversation then caps[2] = 'conversation:' .. conversation end
  return caps
end

-- A fire waits no longer for its turn to begin: whoever comes after it moves up. `turns`: where it waited, with blanks between.
local function give_up_turns(fire, turns)
  for cap in string.gmatch(turns, '%S+') do redis.pcall('ZREM', turns_key(cap), fire) end
  redis.call('HDEL', fire_key(fire), 'turns')
end

-- An attempt that was given back before it began is none.
local function uncount_attempt(fire)
  local stored = redis.call('HMGET', fire_key(fire), 'attempt', 'owner', 'conversation')
  for _, cap in ipairs(rate_caps(stored[2], stored[3])) do redis.pcall('ZREM', rate_key(cap), fire .. '#' .. stored[1]) end
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
local taken_back = {paused = true, edited = true, requested = true}

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

-- A pause holds for the next attempt of a fire, too, that ran when it came.
local function rests(fire, trigger)
  return trigger == 'schedule' and redis.call('HGET', prompt_key(prompt_of(fire)), 'status') == 'paused'
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
local function pause_prompt(id, stored, reason, note, by)
  local hash = prompt_key(id)
  redis.call('HSET', hash, 'status', 'paused', 'paused_at', now, 'pause_reason', reason, 'updated_at', now)
  if note ~= '' then redis.call('HSET', hash, 'pause_note', note) end
  redis.call('HINCRBY', hash, 'version', 1)
  redis.call('HINCRBY', hash, 'seq', 1)
  remove_from_due(id)
  move_status(id, stored[1], 'paused', stored[2])
  local ended, asked = take_back(id, 'paused', false)
  note_change(id, 'paused', by, {from = stored[3], reason = reason, note = note, stood = stored[1]})
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

local prior = nil
if op ~= '' then
  prior = redis.call('GET', P .. 'op:' .. op)
  if prior then prior = cjson.decode(prior) end
end

if not prior and redis.call('HGET', KEYS[1], 'virtual') ~= '1' then
  local time = redis.call('TIME')
  local ahead = tonumber(now) - (tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000)
  if ahead > 1000 then
    return redis.error_reply('CLOCKAHEAD the caller\'s clock is ' .. string.format('%.0f', ahead) .. ' ms ahead of the server\'s')
  end
end
