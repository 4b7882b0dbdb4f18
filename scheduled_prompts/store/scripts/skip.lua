-- skip: one occurrence to come will not fire, or will again (`unskip`). It is claimed in its turn, and ends skipped.
-- Guard: the prompt is scheduled, active or paused, with the version that was read; the occurrence was not claimed. One that
-- was claimed ahead and is not due yet is taken back instead.
-- KEYS: meta
-- ARGV: op now mode id version nominal skips who
-- `mode` is 'skip' or 'unskip'; `skips` is JSON: all that are to be skipped from now on, or ''.
-- Answers {'done'} | {'taken_back'} | {'late', status of the fire} | {'conflict', status, version} | {'gone'}, or what `denied`
-- does; `who`: see callers.lua. From inside of a fire nothing is unskipped: somebody may have wanted it skipped.
if prior then return prior end
local id, nominal, actor = ARGV[4], ARGV[6], cjson.decode(ARGV[8])
local no = denied(actor, id) or (actor.fire and ARGV[3] == 'unskip' and {'denied', 'unskip'})
if no then return no end
local hash = prompt_key(id)
local stored = redis.call('HMGET', hash, 'status', 'version', 'last_nominal', 'doc', 'next_at')
local status = stored[1]
if not status then return {'gone'} end
local last = tonumber(stored[3] or '')
if last and tonumber(nominal) <= last then
  local fire = id .. '@' .. nominal
  local claimed = redis.call('HMGET', fire_key(fire), 'status', 'due')
  if not claimed[1] then return {'late', 'missed'} end
  if ARGV[3] == 'unskip' or tonumber(claimed[2]) <= tonumber(now) then return {'late', claimed[1]} end
  local how = stop_fire(fire, 'requested')
  if not how then return {'late', claimed[1]} end
  note_change(id, 'skip', actor, {from = nominal})
  local answer = remember({'taken_back'})
  if how == 'asked' then announce_stops({fire}, 'requested') end
  return answer
end
local living = status == 'scheduled' or status == 'active' or status == 'paused'
if not living or stored[2] ~= ARGV[5] then return {'conflict', status, stored[2] or ''} end

local skips = {}
for _, one in ipairs(ARGV[7] == '' and {} or cjson.decode(ARGV[7])) do
  if not last or tonumber(one) > last then skips[#skips + 1] = one end  -- others were claimed since they were read
end
if #skips == 0 then redis.call('HDEL', hash, 'skips') else redis.call('HSET', hash, 'skips', cjson.encode(skips)) end
redis.call('HSET', hash, 'updated_at', now)
redis.call('HINCRBY', hash, 'version', 1)
note_change(id, ARGV[3], actor, {from = nominal})
event(ARGV[3], id, 'nominal', nominal)
local answer = remember({'done'})
local ok, definition = pcall(cjson.decode, stored[4])
local platform = ok and type(definition) == 'table' and (definition.platform or 'default')
if status ~= 'paused' and type(platform) == 'string' then announce('armed', {prompt = id, platform = platform, due = stored[5]}) end
return answer
