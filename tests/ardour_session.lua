-- Keeps an Ardour session open without a screen and does what it is told, a line of its standard input at a time.
-- Called as: ardour7-lua ardour_session.lua FOLDER RATE PERIOD BACKEND, with BACKEND "JACK" or "None (Dummy)".
-- Answers each line with any number of lines and, last, "ok".

local folder, rate, period, backend_name = arg[1], tonumber(arg[2]), tonumber(arg[3]), arg[4]
local backend = AudioEngine:set_backend(backend_name, "ardour", "")
if backend_name ~= "JACK" then
   backend:set_device_name("Silence")
   backend:set_sample_rate(rate)
   backend:set_buffer_size(period)
   AudioEngine:start(false)
end
local session = load_session(folder, folder:match("([^/]+)/*$"))
if not session then
   print("failed: no session in " .. folder)
   os.exit(1)
end

local function each_plugin(task)
   for route in session:get_routes():iter() do
      if not route:is_master() then
         local processor = route:nth_plugin(0)
         if not processor:isnil() then
            task(route, processor:to_insert())
         end
      end
   end
end

-- Ardour numbers the controls of a plugin from 0, results such as the latency among them.
local function inputs_of(insert)
   local plugin, found, number = insert:plugin(0), {}, 0
   for port = 0, plugin:parameter_count() - 1 do
      if plugin:parameter_is_control(port) then
         if plugin:parameter_is_input(port) then
            found[#found + 1] = { label = plugin:parameter_label(port), number = number }
         end
         number = number + 1
      end
   end
   return found
end

local function answer(...)
   io.write(table.concat({ ... }, " "), "\n") -- print is another stream here, and comes late
   io.flush()
end

local tasks = {}

function tasks.latencies()
   each_plugin(function(route, insert)
      answer("latency", route:name(), insert:signal_latency(), route:signal_latency())
   end)
   answer("worst", session:worst_route_latency())
end

function tasks.values()
   each_plugin(function(route, insert)
      answer("active", route:name(), tostring(insert:active()))
      for _, input in ipairs(inputs_of(insert)) do
         local value = ARDOUR.LuaAPI.get_processor_param(insert, input.number, true)
         answer("value", route:name(), value, input.label)
      end
   end)
end

function tasks.set(label, value)
   each_plugin(function(_, insert)
      for _, input in ipairs(inputs_of(insert)) do
         if input.label:gsub(" ", "_") == label then
            ARDOUR.LuaAPI.set_processor_param(insert, input.number, tonumber(value))
         end
      end
   end)
end

function tasks.activate(yes)
   each_plugin(function(_, insert)
      insert:enable(yes == "yes")
   end)
end

function tasks.roll()
   session:request_locate(0, false, ARDOUR.LocateTransportDisposition.MustStop, ARDOUR.TransportRequestSource.TRS_UI)
   ARDOUR.LuaAPI.usleep(500000)
   session:request_roll(ARDOUR.TransportRequestSource.TRS_UI)
end

-- What "freeze" and "bounce" of a track do: its plugin's result as a new file of the session, called "frozen".
function tasks.freeze(samples)
   each_plugin(function(route, insert)
      route:to_track():bounce_range(0, tonumber(samples), ARDOUR.InterThreadInfo(), insert, true, "frozen")
   end)
end

function tasks.save()
   session:save_state("", false, false, false, false, false)
end

answer("ok")
for line in io.lines() do
   local words = {}
   for word in line:gmatch("%S+") do
      words[#words + 1] = word
   end
   tasks[words[1]](words[2], words[3])
   collectgarbage()
   answer("ok")
end
session, tasks = nil, nil
collectgarbage()
close_session()
