-- decide: what waits for approval gets it (pending_approval -> scheduled | active), or does not (-> cancelled): somebody
-- rejected it, or nobody approved it in time. What it would have fired meanwhile becomes a span.
-- Guard: it waits for approval, with the version that was read (to approve: and the seq, before its time for that runs out, and the
-- new "next" lies after the last occurrence claimed; to reject: if a version is given).
-- KEYS: meta
-- ARGV: op now mode decision
-- `mode` is 'approve', 'reject' or 'expire'; `decision` is JSON: by, note ('' for none); to approve id, version, seq, status, platform,
-- next_nominal, next_at and skips (JSON: which occurrences to come are still to be skipped, or ''); to reject id and version ('' for any);
-- to expire limit (how many at most).
-- Answers {'approved'} | {'rejected', waiting fires ended, running fires asked to stop} | {'conflict', status, version} |
-- {'late'} (its time ran out) | {'gone'}; to expire the ids of what was cancelled.
if prior then return prior end
local wanted = cjson.decode(ARGV[4])

-- It will not fire. What still runs of it, or waits, ends as where a prompt is cancelled.
local function refuse(id, decision, stored)
  local hash = prompt_key(id)
  note_change(id, decision, wanted.by, {from = first_unclaimed(stored[5], tonumber(stored[4] or '')), stood = stored[1], since = stored[7],
    note = wanted.note})
  redis.call('HSET', hash, 'status', 'cancelled', 'next_nominal', '', 'next_at', '', 'updated_at', now, 'ended_at', now)
  redis.call('HSET', hash, 'version', raised(stored[2]), 'seq', raised(stored[3]))
  redis.call('HDEL', hash, 'skips')
  end_wait(id, decision, wanted.by, wanted.note)
  remove_from_due(id)
  list_under(id, 'cancelled', tonumber(stored[6] or '') and stored[6] or now)
  local ended, asked = stop_fires(live_fires(id), 'prompt_cancelled')
  event(decision, id, 'by', wanted.by, 'note', wanted.note)
  event('cancelled', id, 'reason', decision)
  return ended, asked
end

local function read(id) return redis.call('HMGET', prompt_key(id), 'status', 'version', 'seq', 'last_nominal', 'next_nominal', 'created_at',
  'pending_since', 'pending_until') end

if ARGV[3] == 'expire' then
  local expired, all_asked = {}, {}
  for _, id in ipairs(if_usable('ZRANGEBYSCORE', approvals_key, '-inf', now, 'LIMIT', 0, wanted.limit) or {}) do
    local problem = harm_alone(function()
      local stored = read(id)
      if stored[1] ~= 'pending_approval' then
        redis.call('ZREM', approvals_key, id)  -- a stray: nothing waits there
        return
      end
      local _, asked = refuse(id, 'expired', stored)
      for _, fire in ipairs(asked) do all_asked[#all_asked + 1] = fire end
      expired[#expired + 1] = id
    end)
    if problem then redis.call('ZREM', approvals_key, id) end  -- it would be found again each time
  end
  if #expired > 0 then remember(expired) end
  for _, id in ipairs(expired) do announce('disarmed', {prompt = id}) end
  announce_stops(all_asked, 'prompt_cancelled')
  return expired
end

local id = wanted.id
local stored = read(id)
local status, last = stored[1], tonumber(stored[4] or '')
if not status then return {'gone'} end
if status ~= 'pending_approval' or (wanted.version ~= '' and wanted.version ~= stored[2]) then return {'conflict', status, stored[2] or ''} end

if ARGV[3] == 'reject' then
  local ended, asked = refuse(id, 'rejected', stored)
  local answer = remember({'rejected', tostring(ended), tostring(#asked)})
  announce('disarmed', {prompt = id})
  announce_stops(asked, 'prompt_cancelled')
  return answer
end

if (tonumber(stored[8] or '') or 0) <= tonumber(now) then return {'late'} end
if stored[3] ~= wanted.seq or (last and tonumber(wanted.next_nominal) <= last) then return {'conflict', status, stored[2]} end
local hash = prompt_key(id)
redis.call('HSET', hash, 'status', wanted.status, 'next_nominal', wanted.next_nominal, 'next_at', wanted.next_at, 'updated_at', now)
redis.call('HINCRBY', hash, 'version', 1)
redis.call('HINCRBY', hash, 'seq', 1)
redis.call('HDEL', hash, 'failures', 'skips')
if wanted.skips ~= '' then redis.call('HSET', hash, 'skips', wanted.skips) end
end_wait(id, 'approved', wanted.by, wanted.note)
redis.call('SADD', platforms_key, wanted.platform)
redis.call('ZADD', due_key(wanted.platform), wanted.next_at, id)
move_status(id, 'pending_approval', wanted.status, stored[6])
note_change(id, 'approved', wanted.by, {from = stored[5], ['until'] = wanted.next_nominal, since = stored[7], note = wanted.note})
event('approved', id, 'by', wanted.by, 'note', wanted.note)
local answer = remember({'approved'})
announce('armed', {prompt = id, platform = wanted.platform, due = wanted.next_at})
return answer
