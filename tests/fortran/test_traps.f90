! With the traps of -ffpe-trap=invalid,zero,overflow set: none goes off, and no flag is left behind.
program test_traps
   use laser
   use check
   use toy, only: random, fill, train
   use, intrinsic :: iso_fortran_env, only: int64, real64
   use, intrinsic :: ieee_arithmetic, only: ieee_is_nan, ieee_value, ieee_quiet_nan
   use, intrinsic :: ieee_exceptions
   implicit none
   type(ieee_flag_type), parameter :: flags(3) = [ieee_invalid, ieee_divide_by_zero, ieee_overflow]
   type(laser_model) :: model
   type(laser_sampler) :: sampler
   type(laser_options) :: options
   type(laser_source) :: p, q
   type(random) :: host
   real(real64), target :: x(2, 1000), y(2, 1000), z(2, 100)
   real(real64) :: nan, a, b, c, d
   integer :: status
   logical :: signalling(3)

   nan = ieee_value(nan, ieee_quiet_nan)
   call fill(host, x)
   call fill(host, y)
   call ieee_set_flag(flags, .false.)
   call ieee_set_halting_mode(flags, .true.)
   call train(model, 2)
   call options%new("fast")
   call options%set("flow.lr", nan, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "flow.lr", "a learning rate that is no number")
   call options%set("sampler.method", "rejection")
   call sampler%new(model, 1_int64, 0_int64, options)
   a = sampler%get("acceptance")
   call sampler%generate(y)
   call p%from_array(x)
   call q%from_array(y)
   call laser_emd_1d(p, q, 1, 0, 1_int64, b, c, d)
   call expect(ieee_is_nan(a) .and. .not. ieee_is_nan(b) .and. ieee_is_nan(c), "NaN where the header says so")
   z = 1e30_real64
   call model%log_prob(z, y(1, :100))
   call ieee_set_halting_mode(flags, .false.)
   call ieee_get_flag(flags, signalling)
   call expect(.not. any(signalling), "no flag is signalling")
   call finish()
end program test_traps
