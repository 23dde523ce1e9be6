!> A toy simulator: muon pairs between 60 and 120 GeV, as the events of a Drell-Yan process: the Z resonance on a falling
!! continuum,
!! and the angle of the muon. Its random numbers are its own, so that a run can be repeated.
module drell_yan
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   private
   public :: simulator, simulate, events

   real(real64), parameter :: low = 60, high = 120 !< GeV
   real(real64), parameter :: mass = 91.1876_real64, width = 2.4952_real64 !< GeV
   real(real64), parameter :: continuum = 0.15_real64 !< its share of the events
   real(real64), parameter :: slope = 30 !< GeV, of the continuum

   !> The state of the host's simulator, which comes to its callback as context.
   type :: simulator
      integer(int64) :: random = 88172645463325252_int64 !< any number but 0
      integer(int64) :: events = 0 !< made so far
   end type simulator

contains

   !> A laser_events_callback: fills the columns of x with mass in GeV and cos(theta).
   subroutine simulate(x, w, got, code, context)
      real(real64), intent(out) :: x(:, :), w(:)
      integer, intent(inout) :: got, code
      class(*), intent(inout) :: context
      w = 1
      select type (context)
      type is (simulator)
         call events(context, x(:, :got))
      class default
         code = 1
      end select
   end subroutine simulate

   subroutine events(self, x)
      type(simulator), intent(inout) :: self
      real(real64), intent(out) :: x(:, :)
      integer :: i
      do i = 1, size(x, 2)
         if (uniform(self) < continuum) then
            x(1, i) = low - slope * log(1 - uniform(self) * (1 - exp((low - high) / slope)))
            x(2, i) = 2 * uniform(self) - 1
         else
            x(1, i) = breit_wigner(uniform(self))
            do
               x(2, i) = 2 * uniform(self) - 1
               if (2 * uniform(self) < 1 + x(2, i)**2) exit
            end do
         end if
      end do
      self%events = self%events + size(x, 2)
   end subroutine events

   !> The mass below which the fraction u of a Breit-Wigner distribution cut at low and high lies.
   real(real64) function breit_wigner(u)
      real(real64), intent(in) :: u
      real(real64) :: a, b
      a = atan(2 * (low - mass) / width)
      b = atan(2 * (high - mass) / width)
      breit_wigner = mass + 0.5_real64 * width * tan(a + u * (b - a))
   end function breit_wigner

   !> Uniform from 0 and below 1, by Marsaglia's xorshift with the shifts 13, 7, 17.
   real(real64) function uniform(self)
      type(simulator), intent(inout) :: self
      self%random = ieor(self%random, ishft(self%random, 13))
      self%random = ieor(self%random, ishft(self%random, -7))
      self%random = ieor(self%random, ishft(self%random, 17))
      uniform = real(ishft(self%random, -11), real64) * 2.0_real64**(-53)
   end function uniform
end module drell_yan
