-- What is told afterwards: the entries of each prompt, and the counts for `stats`.

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

-- A change that somebody made, as an entry there. It is made whether or not there is a list to note it down in. `who` is an
-- actor (see callers.lua), or what it is called.
local function note_change(id, kind, who, fields)
  fields.by = who
  if type(who) == 'table' then fields.by, fields.fire = who.by, who.fire end
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
  local number = redis.pcall('HINCRBY', ended, field, 1)  -- what cannot be counted has ended all the same
  if number == 1 then redis.call('EXPIRE', ended, 93600) end
end

local function count_lateness(late)
  count('late:' .. math.floor(8 * math.log(math.max(0, late) + 1) / math.log(2)))
end
