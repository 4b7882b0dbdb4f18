-- look: what a daemon wants to know four times a second, in one read. Changes nothing.
-- KEYS: meta
-- ARGV: op now page overdue serves
-- `overdue` is an instant, ms: prompts due up to then are listed, by due time, at most
-- `page` over all platforms, each of which gets its share; `serves` is JSON,
-- {platforms, runners}, `*` for all.
-- Answers {fires ready in the queues, earliest lease expiry or '', earliest retry or '', the halt or '', {prompt id, due,
-- platform} ...}; while all is stopped no prompts: nobody could claim them.
local serves = cjson.decode(ARGV[5])
local function earliest(key)
  local first = if_usable('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first and first[2] or ''
end
local ready = 0
for _, queue in ipairs(served_queues(serves)) do ready = ready + (if_usable('ZCARD', ready_key(queue)) or 0) end
local halt = halted()
local answer = {tostring(ready), earliest(leases_key), earliest(retries_key), halt or ''}
if halt then return answer end
local platforms = served_platforms(serves)
local share = math.ceil(tonumber(ARGV[3]) / math.max(1, #platforms))
for _, platform in ipairs(platforms) do
  local page = if_usable('ZRANGEBYSCORE', due_key(platform), '-inf', ARGV[4], 'WITHSCORES', 'LIMIT', 0, share) or {}
  for i = 1, #page, 2 do answer[#answer + 1] = {page[i], page[i + 1], platform} end
end
return answer
