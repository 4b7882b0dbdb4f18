-- Last of the prelude: the answer of an earlier run, and the refusal of a clock that is ahead.

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
