-- purge: what has been over for long is deleted: ended prompts with all that is theirs, and the old fires of living ones.
-- Guard: a prompt has the version that was read, has ended before the horizon (or, where that is unknown, was created before it) and has no live fire;
-- a fire has ended. One in whose fires others were made is kept as long as any of them is active: they spend its money.
-- KEYS: meta
-- ARGV: op now before keep items
-- `before` is the horizon, ms; `keep` is how many fires of a living prompt are kept at most (0: however many); `items` is JSON: id, version, platform, owner, agent, key ('' for none).
-- Answers, for each item, {'purged' | 'kept' | 'undated' (neither ended_at nor created_at can be read), fires deleted}.
if prior then return prior end
local answers, before, keep = {}, tonumber(ARGV[3]), tonumber(ARGV[4])

local function purge_prompt(item, status)
  redis.call('DEL', prompt_key(item.id), history_key(item.id), live_key(item.id), spans_key(item.id), version_key(item.id), spend_key('prompt:' .. item.id))
  redis.call('ZREM', by_key('status', status), item.id)
  redis.call('ZREM', by_key('platform', item.platform), item.id)
  redis.call('ZREM', due_key(item.platform), item.id)
  if item.owner ~= '' then redis.call('ZREM', by_key('owner', item.owner), item.id) end
  if item.agent ~= '' then redis.call('ZREM', by_key('agent', item.agent), item.id) end
  if item.key ~= '' and redis.call('GET', key_key(item.owner, item.key)) == item.id then
    redis.call('DEL', key_key(item.owner, item.key))
  end
end

local function delete_ended(id, fires)
  local over = {}
  for _, fire in ipairs(fires) do
    if redis.call('SISMEMBER', live_key(id), fire) == 0 then over[#over + 1] = fire end
  end
  forget_fires(id, over)
  return #over
end

local function delete_fires(id, last)
  return delete_ended(id, redis.call('ZRANGEBYSCORE', history_key(id), '-inf', last, 'LIMIT', 0, 1000))
end

-- `settle` keeps a history short; but of a prompt whose occurrences are all skipped nothing is settled.
local function delete_surplus(id)
  local surplus = keep > 0 and redis.call('ZCARD', history_key(id)) - keep or 0
  if surplus <= 0 then return 0 end
  return delete_ended(id, redis.call('ZRANGE', history_key(id), 0, math.min(surplus, 1000) - 1))
end

-- Earlier definitions are kept as long as a fire runs, or ran, one of them.
local function forget_definitions(id)
  local known = redis.call('HKEYS', version_key(id))
  if #known == 0 then return end
  local oldest = math.huge
  for _, fire in ipairs(redis.call('ZRANGE', history_key(id), 0, -1)) do
    oldest = math.min(oldest, tonumber(redis.call('HGET', fire_key(fire), 'version') or '') or math.huge)
  end
  for _, version in ipairs(known) do
    if tonumber(version) < oldest then redis.call('HDEL', version_key(id), version) end
  end
end

local function purge(i, item)
  local stored = redis.call('HMGET', prompt_key(item.id), 'status', 'ended_at', 'created_at', 'version')
  local status = stored[1]
  local since = tonumber(stored[2] or '') or tonumber(stored[3] or '')
  if not status or stored[4] ~= item.version then
    answers[i] = {'kept', '0'}
  elseif not has_ended(status) then
    answers[i] = {'kept', tostring(delete_fires(item.id, '(' .. ARGV[3]) + delete_surplus(item.id))}
    forget_definitions(item.id)
  elseif not since then
    answers[i] = {'undated', '0'}
  elseif since >= before or redis.call('SCARD', live_key(item.id)) > 0 or redis.call('SCARD', active_key('tree:' .. item.id)) > 0 then
    answers[i] = {'kept', '0'}
  else
    local deleted = delete_fires(item.id, '+inf')
    if redis.call('ZCARD', history_key(item.id)) == 0 then
      purge_prompt(item, status)
      answers[i] = {'purged', tostring(deleted)}
    else
      answers[i] = {'kept', tostring(deleted)}
    end
  end
end

for i, item in ipairs(cjson.decode(ARGV[5])) do
  if harm_alone(purge, i, item) then answers[i] = {'kept', '0'} end
end
return remember(answers)
