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
  local root = redis.call('HGET', fire_key(fire), 'tree')  -- the first ancestor of what was made in a fire
  if root and redis.call('EXISTS', prompt_key(root)) == 1 then harm_alone(book, 'prompt:' .. root, day, changes) end
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
