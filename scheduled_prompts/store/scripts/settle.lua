-- settle: the end of an attempt (running -> an end | retrying | queued again).
-- Where the prompt was paused meanwhile, or waits for approval, there is no next attempt: it ends here.
-- Guard: the fire runs under this token. A repetition finds it no longer running under the same token, and changes nothing.
-- KEYS: meta
-- ARGV: op now keep items
-- `keep` is how many fires a prompt's history holds; `items` is JSON: fire, token, outcome, reason, started_at, ended_at,
-- result, error, retry_at ('' for none), and usage where the runner said it (as `budgets.py` writes it). `outcome` is a fire status that is an end, or 'retrying', or 'queued' (given back).
-- Answers, for each item, 'settled' | 'lost'.
local answers, ready = {}, false

local function put_aside(item, hash, stored)
  if item.reason == 'given_back' then
    redis.call('HDEL', hash, 'started_at')  -- it was marked, and did not start after all
    if stored[3] == 'halted' then
      redis.call('HDEL', hash, 'cancel')  -- what runs is to stop; this waits until all goes on
      stored[3] = false
    end
  end
  local why = rests(item.fire, stored[10])
  if stored[3] then
    end_flagged(item.fire, stored[3], 'error', item.error)
  elseif why then
    if item.outcome == 'retrying' then
      redis.call('HINCRBY', hash, 'failures', 1)
      end_fire(item.fire, 'failed', why, 'error', item.error)
    elseif item.started_at ~= '' and item.reason ~= 'given_back' then
      end_fire(item.fire, 'interrupted', why, 'error', 'the daemon was stopped')
    else
      end_flagged(item.fire, why)
    end
  elseif item.outcome == 'retrying' then
    redis.call('HINCRBY', hash, 'failures', 1)
    -- Who has just woken reckons with a clock that stands where it fell asleep: the delay is to be waited from now on.
    local retry_at = string.format('%.0f', tonumber(item.retry_at) + now_at_least() - now)
    redis.call('HSET', hash, 'status', 'retrying', 'reason', item.reason, 'retry_at', retry_at, 'error', item.error)
    redis.call('ZADD', retries_key, retry_at, item.fire)
    event('retrying', prompt_of(item.fire), 'fire', item.fire, 'retry_at', retry_at)
  else
    redis.call('HSET', hash, 'status', 'queued', 'reason', item.reason)
    if item.started_at == '' then uncount_attempt(item.fire) end
    put_back_in_ready(item.fire)
    ready = true
  end
end

-- What has just ended is still to be seen, however many newer ones there are.
local function forget_oldest(id, just_ended)
  local surplus = redis.call('ZCARD', history_key(id)) - tonumber(ARGV[3])
  if surplus <= 0 then return end
  local oldest = {}
  for _, fire in ipairs(redis.call('ZRANGE', history_key(id), 0, surplus - 1)) do
    if not just_ended[fire] and redis.call('SISMEMBER', live_key(id), fire) == 0 then oldest[#oldest + 1] = fire end
  end
  forget_fires(id, oldest)
end

local released, just_ended, prompts = {}, {}, {}

local function settle(i, item)
  local hash = fire_key(item.fire)
  local stored = redis.call('HMGET', hash, 'status', 'token', 'cancel', 'platform', 'runner', 'priority', 'due', 'error', 'attempt', 'trigger')
  if stored[2] ~= item.token then
    answers[i] = 'lost'
    return
  end
  answers[i] = 'settled'
  if stored[1] ~= 'running' then return end
  released[#released + 1] = item.fire
  release(item.fire, item)
  if taken_back[stored[3]] and item.outcome ~= 'cancelled' and item.started_at ~= '' and item.reason ~= 'given_back' then
    redis.call('HDEL', hash, 'cancel')  -- it had started before its daemon heard of that, and goes on
    stored[3] = false
  end
  if item.started_at ~= '' and stored[9] == '1' then count_lateness(tonumber(item.started_at) - tonumber(stored[7])) end
  if item.outcome == 'retrying' or item.outcome == 'queued' then
    if item.started_at ~= '' then redis.call('HSET', hash, 'started_at', item.started_at) end
    put_aside(item, hash, stored)
    return
  end
  if item.outcome == 'failed' or item.outcome == 'timed_out' then redis.call('HINCRBY', hash, 'failures', 1) end
  local fields = {'ended_at', item.ended_at}
  for _, name in ipairs({'started_at', 'result', 'error'}) do
    if item[name] ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = item[name]
    end
  end
  if stored[8] and item.error == '' then redis.call('HDEL', hash, 'error') end  -- that of an earlier attempt
  if item.outcome == 'cancelled' and stored[3] then
    end_flagged(item.fire, stored[3], unpack(fields))
  else
    end_fire(item.fire, item.outcome, item.reason, unpack(fields))
  end
  just_ended[item.fire] = true
  prompts[prompt_of(item.fire)] = true
end

for i, item in ipairs(cjson.decode(ARGV[4])) do
  if harm_alone(settle, i, item) then answers[i] = 'lost' end
end
for_each_chunk(released, 'ZREM', leases_key)
for id in pairs(prompts) do harm_alone(forget_oldest, id, just_ended) end
if ready or somebody_woke then announce('ready', {}) end
return answers
