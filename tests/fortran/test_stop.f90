! Without status a failure ends the program with the library's message.
program test_stop
   use laser
   implicit none
   type(laser_options) :: options
   call options%new("fast")
   call options%set("flow.bloks", 3)
   print "(a)", "the program went on"
end program test_stop
