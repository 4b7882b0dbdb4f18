-- reap: fires whose daemon was lost are run again or ended (running -> queued | failed: crashed | interrupted | cancelled),
-- and fires whose next attempt is due become ready (retrying -> queued).
-- Guard: the lease has expired; the retry time has come.
-- KEYS: meta
-- ARGV: op now limit leases max_crashes
-- `leases` is '1' if leases may be reaped (after one lease of unbroken contact with this server). At most `limit` of each.
-- Answers {fire id, what became of it} ...; the latter is 'queued' (again), 'retried', 'failed', 'interrupted',
-- 'cancelled' or 'skipped'.
if prior then return prior end
local answer = {}

local function reap(fire)
  local hash = fire_key(fire)
  local stored = redis.call('HMGET', hash, 'status', 'cancel', 'on_crash', 'started_at', 'platform', 'runner', 'priority', 'due', 'trigger')
  if stored[1] ~= 'running' then return end
  local crashes = redis.call('HINCRBY', hash, 'crashes', 1)
  redis.call('HDEL', hash, 'token')
  release(fire)
  local outcome = 'queued'
  if taken_back[stored[2]] and stored[4] then
    redis.call('HDEL', hash, 'cancel')  -- it had started before its daemon heard of that
    stored[2] = false
  end
  if stored[2] then
    outcome = end_flagged(fire, stored[2])
  elseif stored[3] == 'interrupt' and stored[4] then
    outcome = 'interrupted'
    end_fire(fire, outcome, 'crashed', 'error', 'the daemon that ran it was lost')
  elseif crashes >= tonumber(ARGV[5]) then
    outcome = 'failed'
    end_fire(fire, outcome, 'crashed', 'error', 'the daemon that ran it was lost, ' .. crashes .. ' times')
  elseif rests(fire, stored[9]) then
    outcome = stored[4] and 'interrupted' or 'skipped'
    end_fire(fire, outcome, rests(fire, stored[9]), 'error', 'the daemon that ran it was lost')
  else
    redis.call('HSET', hash, 'status', 'queued', 'reason', 'crashed')
    put_back_in_ready(fire)
    event('reaped', prompt_of(fire), 'fire', fire)
  end
  answer[#answer + 1] = {fire, outcome}
end

local function make_ready(fire)
  local hash = fire_key(fire)
  if redis.call('HGET', hash, 'status') ~= 'retrying' then return end
  redis.call('HSET', hash, 'status', 'queued')
  put_back_in_ready(fire)
  answer[#answer + 1] = {fire, 'retried'}
end

if ARGV[4] == '1' then
  for _, fire in ipairs(redis.call('ZRANGEBYSCORE', leases_key, '-inf', now, 'LIMIT', 0, ARGV[3])) do
    redis.call('ZREM', leases_key, fire)
    harm_alone(reap, fire)
  end
end
for _, fire in ipairs(redis.call('ZRANGEBYSCORE', retries_key, '-inf', now, 'LIMIT', 0, ARGV[3])) do
  redis.call('ZREM', retries_key, fire)
  harm_alone(make_ready, fire)
end

if #answer > 0 then
  remember(answer)
  announce('ready', {})
end
return answer
