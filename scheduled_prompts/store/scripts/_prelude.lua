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
local prompts_key, platforms_key, queues_key = P .. 'prompts', P .. 'platforms', P .. 'queues'
local leases_key, retries_key, events_key = P .. 'leases', P .. 'retries', P .. 'events'
local daemons_key, daemon_info_key = P .. 'daemons', P .. 'daemon_info'

local function prompt_of(fire_id) return string.sub(fire_id, 1, 26) end

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

-- High priority first, then due time. Below 2^53, so exact as a score.
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

local function move_status(id, from, to, created)
  if from == to then return end
  redis.call('ZREM', by_key('status', from), id)
  redis.call('ZADD', by_key('status', to), created, id)
end

-- The end of a fire, the only way there is: out of `live`, into the account. The caller has taken it out of the index
-- that its old status names. `...` are further fields of the fire.
local function end_fire(fire, status, reason, ...)
  local id = prompt_of(fire)
  redis.call('HSET', fire_key(fire), 'status', status, 'ended_at', now, 'reason', reason, ...)
  redis.call('SREM', live_key(id), fire)
  if status == 'succeeded' then
    redis.call('HDEL', prompt_key(id), 'failures')
  elseif (status == 'failed' or status == 'timed_out') and redis.call('EXISTS', prompt_key(id)) == 1 then
    redis.call('HINCRBY', prompt_key(id), 'failures', 1)
  end
  event(status, id, 'fire', fire, 'reason', reason)
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
