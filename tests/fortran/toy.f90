!> A toy to test with: events of two dimensions, networks of a few units, trained for a few steps.
module toy
   use laser
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none

   character(len=*), parameter :: settings = &
      '{"flow": {"blocks": 2, "layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64},' // &
      ' "classifier": {"layers": 2, "units": 8, "epochs": 1, "steps": 5, "batch": 64}, "validation.events": 200,' // &
      ' "weights.events": 2000}'

   type :: random
      integer(int64) :: state = 88172645463325252_int64
      integer :: calls = 0
   end type random

contains

   real(real64) function uniform(self)
      class(random), intent(inout) :: self
      self%state = ieor(self%state, ishft(self%state, 13))
      self%state = ieor(self%state, ishft(self%state, -7))
      self%state = ieor(self%state, ishft(self%state, 17))
      uniform = (real(ishft(self%state, -11), real64) + 1) * 2.0_real64**(-53)
   end function uniform

   !> Normal with means (1, -2) and standard deviations (1, 0.5); with a third value, the mean of the first as a condition.
   subroutine fill(self, x)
      class(random), intent(inout) :: self
      real(real64), intent(inout) :: x(:, :)
      real(real64) :: radius, angle
      integer :: i
      do i = 1, size(x, 2)
         radius = sqrt(-2 * log(uniform(self)))
         angle = 6.283185307179586_real64 * uniform(self)
         x(1, i) = 1 + radius * cos(angle)
         x(2, i) = -2 + 0.5_real64 * radius * sin(angle)
         if (size(x, 1) == 3) then
            x(3, i) = 4 * uniform(self)
            x(1, i) = x(1, i) + x(3, i)
         end if
      end do
   end subroutine fill

   subroutine simulate(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      w = 1
      select type (context)
      class is (random)
         context%calls = context%calls + 1
         call fill(context, x(:, :got))
      class default
         code = 99
      end select
   end subroutine simulate

   !> A trained model of events of dim values, the last of three a condition. Ends the program as skipped if this build cannot
   !! train.
   subroutine train(model, dim)
      type(laser_model), intent(inout) :: model
      integer, intent(in) :: dim
      type(random), target :: host
      type(laser_options) :: options
      type(laser_source) :: source
      type(laser_generator) :: generator
      character(len=:), allocatable :: message
      integer :: status
      call options%from_json(settings)
      call options%set("conditions", dim - 2)
      call source%from_callback(dim, .false., simulate, host)
      call generator%train(source, options, status=status)
      if (status /= LASER_OK) call laser_last_error(message)
      if (status == LASER_ERR_UNSUPPORTED) then
         print "(2a)", "skipped: ", message
         stop 77
      else if (status /= LASER_OK) then
         print "(3a)", trim(laser_status_name(status)), ": ", message
         error stop 1
      end if
      call model%refine(generator, source, options)
      call generator%free()
      call source%free()
      call options%free()
   end subroutine train
end module toy
