! A callback and what it uses.
module callback
   use laser
   use, intrinsic :: iso_fortran_env, only: real64
   implicit none
   type :: simulator
      integer :: events = 0
   end type simulator
contains
   subroutine events(host, x)
      type(simulator), intent(inout) :: host
      real(real64), intent(out) :: x(:, :)
      host%events = host%events + size(x, 2)
      call random_number(x)
   end subroutine events

   ! block
end module callback

program main
   use callback
   type(simulator), target :: host
   type(laser_options) :: options
   type(laser_source) :: source
   type(laser_generator) :: flow
   call options%from_json('{"preset": "fast", "flow": {"epochs": 1, "steps": 5}}')
   call source%from_callback(2, .false., simulate, host)
   call flow%train(source, options)
   if (host%events == 0) error stop "the callback was not called with its context"
   call flow%free()
   call source%free()
   call options%free()
end program main
