! A Fortran fragment and what it may have been given. It runs with an argument only, as it may train, or end the program by design.
module fragment
   use laser
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   type :: simulator
      integer :: events = 0
   end type simulator
   type(laser_options) :: options
   type(laser_source) :: source
   type(laser_generator) :: flow
   type(laser_model) :: model
   type(laser_sampler) :: sampler
   character(len=:), allocatable :: message
   integer(int64) :: seed = 42, stream = 0
   integer :: status, share, shares = 2
   real(real64) :: x(2, 100)
contains
   subroutine simulate(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      call random_number(x)
   end subroutine simulate

   subroutine generate(share)
      integer, intent(in) :: share
      print *, share
   end subroutine generate

   subroutine run()
      ! block
   end subroutine run
end module fragment

program main
   use fragment
   if (command_argument_count() > 0) call run()
end program main
