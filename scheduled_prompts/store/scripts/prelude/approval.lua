-- Approval: what agents ask for may have to wait for a person. `approvals` lists what waits, by when that runs out.

-- A prompt waits from now on, or goes on waiting, for what was asked for last. `asks`: until (when that runs
-- out; as it was, where it waits already), why, since (nil: now). `was` is its status before, nil for a new prompt.
local function await_approval(id, asks, by, was)
  local hash = prompt_key(id)
  redis.call('HSET', hash, 'pending_why', asks.why, 'pending_by', by)
  if was ~= 'pending_approval' then
    redis.call('HSET', hash, 'pending_since', asks.since or now, 'pending_until', asks['until'])
    redis.call('HDEL', hash, 'decision', 'decided_at', 'decided_by', 'decision_note', 'paused_at', 'pause_reason', 'pause_note')
    redis.call('ZADD', approvals_key, asks['until'], id)
  end
  event('pending', id, 'why', asks.why, 'by', by)
end

-- It waits no longer, whatever came of that. `decision`: approved, rejected or expired; nil where somebody withdrew it.
local function end_wait(id, decision, by, note)
  local hash = prompt_key(id)
  redis.pcall('ZREM', approvals_key, id)
  redis.call('HDEL', hash, 'pending_since', 'pending_until', 'pending_why', 'pending_by')
  if not decision then return end
  redis.call('HSET', hash, 'decision', decision, 'decided_at', now, 'decided_by', by)
  if note ~= '' then redis.call('HSET', hash, 'decision_note', note) end
end
