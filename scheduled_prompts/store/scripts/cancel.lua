-- cancel: a prompt fires no more (scheduled | active | paused | pending_approval | quarantined | executed with live fires -> cancelled); its
-- waiting fires end (queued | retrying -> cancelled), its running ones are asked to stop. A key that is no record is deleted.
-- Guard: the prompt exists; it is not cancelled, and if executed, something of it still lives.
-- KEYS: meta
-- ARGV: op now id who
-- `who`: see callers.lua. Answers {'cancelled', status before, waiting fires ended, running fires asked to stop} | {'conflict',
-- status} | {'gone'}, or what `denied` does.
if prior then return prior end
local id, actor = ARGV[3], cjson.decode(ARGV[4])
local no = denied(actor, id)
if no then return no end
local hash = prompt_key(id)
local stored, is_no_hash = stored_prompt(id, 'version', 'seq', 'created_at', 'next_nominal', 'paused_at', 'pause_reason', 'pause_note',
  'last_nominal', 'ended_at', 'pending_since')
if not stored then return {'gone'} end
local fires = live_fires(id)
if stored[1] == 'cancelled' or (stored[1] == 'executed' and #fires == 0) then return {'conflict', stored[1]} end

-- All that is its goes with a key that is no record: nothing else will lead there.
local function delete()
  redis.call('DEL', hash, spans_key(id), version_key(id))
  for _, platform in ipairs(redis.call('SMEMBERS', platforms_key)) do redis.call('ZREM', by_key('platform', platform), id) end
  local history = redis.pcall('ZRANGE', history_key(id), 0, -1)
  for _, fire in ipairs(history) do
    if redis.pcall('HGET', fire_key(fire), 'status') ~= 'running' then redis.call('DEL', fire_key(fire)) end
  end
  redis.call('DEL', history_key(id))
end

local ended, asked
if is_no_hash then
  ended, asked = stop_fires(fires, 'prompt_cancelled')
  list_under(id)
  delete()
else
  -- What was next is known no longer; a span that is no list harms nothing but itself.
  note_change(id, 'cancelled', actor, {from = first_unclaimed(stored[5], tonumber(stored[9] or '')), stood = stored[1],
    since = stored[11] or stored[6] or stored[10], reason = stored[7], note = stored[8]})
  redis.call('HSET', hash, 'status', 'cancelled', 'next_nominal', '', 'next_at', '', 'updated_at', now, 'ended_at', now)
  redis.call('HSET', hash, 'version', raised(stored[2]), 'seq', raised(stored[3]))
  redis.call('HDEL', hash, 'skips', 'paused_at', 'pause_reason', 'pause_note')
  end_wait(id)
  list_under(id, 'cancelled', tonumber(stored[4] or '') and stored[4] or now)
  ended, asked = stop_fires(fires, 'prompt_cancelled')
end
redis.call('HDEL', quarantine_key, id)
remove_from_due(id)
event('cancelled', id)
local answer = remember({'cancelled', stored[1], tostring(ended), tostring(#asked)})
announce('disarmed', {prompt = id})
announce_stops(asked, 'prompt_cancelled')
return answer
