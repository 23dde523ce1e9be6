!> Checks for the Fortran tests: a failed one says what, and the program goes on. Exit status 0: passed, 1: failed, 77: skipped.
module check
   use laser
   use, intrinsic :: iso_fortran_env, only: int32, int64, real32, real64
   implicit none
   private
   public :: expect, expect_ok, expect_failure, same, finish

   integer, save :: failures = 0

   interface same
      procedure :: same_f64, same_f32
   end interface same

contains

   subroutine expect(ok, what)
      logical, intent(in) :: ok
      character(len=*), intent(in) :: what
      if (ok) return
      print "(2a)", "failed: ", what
      failures = failures + 1
   end subroutine expect

   subroutine expect_ok(status, what)
      integer, intent(in) :: status
      character(len=*), intent(in) :: what
      character(len=:), allocatable :: message
      if (status == LASER_OK) return
      call laser_last_error(message)
      print "(6a)", "failed: ", what, " gave ", trim(laser_status_name(status)), ": ", message
      failures = failures + 1
   end subroutine expect_ok

   !> The status, and a part of the message.
   subroutine expect_failure(status, expected, part, what)
      integer, intent(in) :: status, expected
      character(len=*), intent(in) :: part, what
      character(len=:), allocatable :: message
      call laser_last_error(message)
      if (status == expected .and. index(message, part) > 0) return
      print "(11a)", "failed: ", what, " gave ", trim(laser_status_name(status)), ", not ", trim(laser_status_name(expected)), &
         " saying """, part, """; last error: ", message
      failures = failures + 1
   end subroutine expect_failure

   !> The same bits.
   logical function same_f64(a, b) result(same)
      real(real64), intent(in) :: a(:, :), b(:, :)
      same = all(shape(a) == shape(b))
      if (same) same = all(transfer(a, [0_int64]) == transfer(b, [0_int64]))
   end function same_f64

   logical function same_f32(a, b) result(same)
      real(real32), intent(in) :: a(:, :), b(:, :)
      same = all(shape(a) == shape(b))
      if (same) same = all(transfer(a, [0_int32]) == transfer(b, [0_int32]))
   end function same_f32

   subroutine finish()
      if (failures == 0) return
      print "(i0, a)", failures, " failed"
      error stop 1
   end subroutine finish
end module check
