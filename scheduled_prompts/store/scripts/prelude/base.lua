-- Put before every script. KEYS[1] is the `meta` key; all other keys share its hash tag and are spelled here.
-- ARGV[1] is the op id ('' where a repetition is harmless), ARGV[2] is now (ms UTC).
--
-- A script may run twice: its reply is lost and the client sends it again. The first answer is kept under the op id
-- for two minutes, longer than any client keeps trying, and is given again; that of an agent's tool call (`call-…`) for an
-- hour. Answers are arrays of strings.
--
-- Instants travel as strings of ms: `tostring` of a number above 10^14 would lose digits.
local P = string.sub(KEYS[1], 1, -5)
local op, now = ARGV[1], ARGV[2]

local function prompt_key(id) return P .. 'prompt:' .. id end
local function by_key(field, value) return P .. 'by:' .. field .. ':' .. value end
local function key_key(owner, key) return P .. 'key:' .. owner .. ':' .. key end
local function due_key(platform) return P .. 'due:' .. platform end
local function fire_key(id) return P .. 'fire:' .. id end
local function queue_name(platform, runner) return platform .. '/' .. runner end
local function ready_key(queue) return P .. 'ready:' .. queue end
local function live_key(id) return P .. 'live:' .. id end
local function history_key(id) return P .. 'history:' .. id end
local function spans_key(id) return P .. 'spans:' .. id end
local function version_key(id) return P .. 'version:' .. id end
local function spend_key(scope) return P .. 'spend:' .. scope end
local function parked_key(limit) return P .. 'parked:' .. limit end
local function slots_key(limit) return P .. 'slots:' .. limit end
local function ended_key(window) return P .. 'ended:' .. window end
-- `cap` is `owner:<owner>`, `conversation:<conversation>` or `tree:<id of its root>`; of a rate also `made:<owner>`.
local function active_key(cap) return P .. 'active:' .. cap end
local function rate_key(cap) return P .. 'rate:' .. cap end
local function turns_key(cap) return P .. 'turns:' .. cap end
local platforms_key, queues_key, quarantine_key = P .. 'platforms', P .. 'queues', P .. 'quarantine'
local leases_key, retries_key, events_key = P .. 'leases', P .. 'retries', P .. 'events'
local daemons_key, daemon_info_key = P .. 'daemons', P .. 'daemon_info'
local halts_key, parked_limits_key, fair_key = P .. 'halts', P .. 'parked', P .. 'fair'
local approvals_key = P .. 'approvals'

local function prompt_of(fire_id) return string.sub(fire_id, 1, 26) end

-- Errors that are no item's fault: the server refuses to write at all.
local refusals = {'OOM ', 'MISCONF ', 'READONLY ', 'NOREPLICAS ', 'NOPERM ', 'ACL failure', 'The user executing the script'}

-- What a script did to one item must not be undone by what is wrong with another: an error (a key of the wrong type)
-- ends this item alone. Returns the error's text, or nil.
local function harm_alone(change, ...)
  local ok, problem = pcall(change, ...)
  if ok then return nil end
  local text = type(problem) == 'table' and problem.err or tostring(problem)
  for _, refusal in ipairs(refusals) do
    if string.find(text, refusal, 1, true) then error(problem, 0) end
  end
  return text
end

-- A read or a write of an index, or of what merely tells: where that key is of the wrong type it holds nothing and takes
-- nothing, and no record must suffer for it. `doctor` names it. Returns nil then.
local function if_usable(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if string.find(answer.err, 'WRONGTYPE', 1, true) then return nil end
  error(answer.err, 0)
end

-- What the caller's clock says, unless that is behind the server's: who has just woken from sleep does not know yet how late
-- it is, and a command may have been long on its way.
local function now_at_least()
  if redis.call('HGET', KEYS[1], 'virtual') == '1' then return now end
  local time = redis.call('TIME')
  return string.format('%.0f', math.max(tonumber(now), tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)))
end

local function remember(answer)
  if op == '' then return answer end
  local kept = string.sub(op, 1, 5) == 'call-' and 3600000 or 120000  -- an agent's host may come again later
  redis.call('SET', P .. 'op:' .. op, cjson.encode(answer), 'PX', string.format('%.0f', kept))
  return answer
end

-- Last of all, and allowed to fail: an ACL may forbid channels.
local function announce(kind, fields)
  fields.type = kind
  redis.pcall('PUBLISH', P .. 'changes', cjson.encode(fields))
end

local function event(kind, prompt, ...)
  if_usable('XADD', events_key, 'MAXLEN', '~', 10000, '*', 'type', kind, 'at', now, 'prompt', prompt, ...)
end
