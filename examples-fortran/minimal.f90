! The smallest use of liblaser: learn from the host's own events, refine, generate.
! Settings this small show the calls, not the quality; leave them out for the defaults.
module disc
   use, intrinsic :: iso_fortran_env, only: real64
   implicit none
contains
   !> The host's simulator, pulled batch by batch: the columns of x are events. Here a uniform disc.
   subroutine simulate(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      integer :: i
      w = 1 ! an array of no elements: the source is declared unweighted
      do i = 1, got
         do
            call random_number(x(:, i))
            x(:, i) = 2 * x(:, i) - 1
            if (sum(x(:, i)**2) < 1) exit
         end do
      end do
      code = 0 ! anything else stops the training
      select type (context)
      type is (integer)
         context = context + got
      end select
   end subroutine simulate
end module disc

program minimal
   use laser
   use disc, only: simulate
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   type(laser_options) :: options
   type(laser_source) :: source
   type(laser_generator) :: flow
   type(laser_model) :: model
   type(laser_sampler) :: sampler
   integer, target :: simulated = 0
   real(real64) :: x(2, 5)

   ! No status arguments: a failure ends the program with the library's message.
   call options%from_json('{"preset": "fast", "flow": {"blocks": 4, "units": 16, "epochs": 2, "steps": 20},' // &
      ' "classifier": {"epochs": 2, "steps": 20}, "weights.events": 5000}')
   call source%from_callback(2, .false., simulate, simulated)
   call flow%train(source, options)
   call model%refine(flow, source, options)
   call sampler%new(model, 42_int64, 0_int64, options)
   call sampler%generate(x)
   print "(2f10.5)", x
   print "(i0, a)", simulated, " events simulated"

   call sampler%free()
   call model%free()
   call flow%free()
   call source%free()
   call options%free()
end program minimal
