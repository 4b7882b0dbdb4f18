-- halt: all is stopped, or goes on (nothing is claimed or taken while it is). What runs goes on, unless it is to be
-- cancelled; what was taken ahead is given back by whoever holds it. A halt that is over is noted for the account.
-- Guard: none. To stop what is stopped changes nothing but, if asked for, what runs.
-- KEYS: meta
-- ARGV: op now mode by note cancel
-- `mode` is stop | start; `cancel` is '1' if running fires are asked to stop. The halt is JSON {at, by, note}, in `meta`.
-- Answers {'stopped' | 'already', the halt, running fires asked to stop} | {'started', the halt that is over} | {'going'}.
if prior then return prior end
local halt = halted()

if ARGV[3] == 'start' then
  if not halt then return {'going'} end
  redis.call('HDEL', KEYS[1], 'halted')
  local over = cjson.decode(halt)
  over['until'], over.started_by = now, ARGV[4]
  redis.call('RPUSH', halts_key, cjson.encode(over))
  redis.call('LTRIM', halts_key, -1000, -1)
  event('started_all', '', 'by', ARGV[4], 'since', over.at)
  local answer = remember({'started', halt})
  announce('started_all', {})
  return answer
end

local how, asked = 'already', {}
if not halt then
  how = 'stopped'
  halt = cjson.encode({at = now, by = ARGV[4], note = ARGV[5]})
  redis.call('HSET', KEYS[1], 'halted', halt)
  event('stopped_all', '', 'by', ARGV[4], 'note', ARGV[5])
end
if ARGV[6] == '1' then
  local running = {}
  for _, fire in ipairs(redis.call('ZRANGE', leases_key, 0, -1)) do
    if not redis.pcall('HGET', fire_key(fire), 'cancel') then running[#running + 1] = fire end
  end
  local _, told = stop_fires(running, 'halted')
  asked = told
end
local answer = remember({how, halt, tostring(#asked)})
announce('stopped_all', {halt = halt, cancel = ARGV[6] == '1'})
return answer
