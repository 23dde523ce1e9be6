! A model with conditions: events given them, in double and single precision, with strides.
program test_conditional
   use laser
   use check
   use toy, only: train
   use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
   use, intrinsic :: iso_fortran_env, only: int64, real32, real64
   implicit none
   integer, parameter :: n = 200
   type(laser_model) :: model
   type(laser_sampler) :: sampler
   real(real64) :: c(1, n), x(2, n), y(2, n), wide(4, n), wide_c(3, n), w(n), logp(n), z(3, n), nan(1, 1)
   real(real32) :: x4(2, n), wide4(3, n), w4(n)
   integer :: status, i

   call train(model, 3)
   call expect(model%event_dim() == 2 .and. model%condition_dim() == 1 .and. model%latent_dim() == 2, "dimensions")
   c(1, :) = [(4 * i / real(n, real64), i=1, n)]
   call sampler%new(model, 3_int64, 4_int64)
   call sampler%generate_given(c, x, w, logp)
   call expect(all(abs(logp) < 1e6_real64), "log densities")
   call expect(sampler%tell() == n, "tell")

   wide = 42
   wide_c = 42
   wide_c(2, :) = c(1, :)
   call sampler%seek(0_int64)
   do i = 1, n, 50
      call sampler%generate_given(wide_c(2:2, i:i + 49), wide(2:3, i:i + 49))
   end do
   call expect(same(wide(2:3, :), x) .and. all(abs(wide([1, 4], :) - 42) <= 0), "in pieces, with strides")
   call sampler%generate_given(wide(4:4, :), wide(2:3, :), status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "overlap", "conditions between the events")

   wide4 = real(c(1, 1), real32)
   wide4(1, :) = real(c(1, :), real32)
   c = real(wide4(1:1, :), real64)
   call sampler%seek(0_int64)
   call sampler%generate_given(c, y)
   call sampler%seek(0_int64)
   call sampler%generate_given(wide4(1:1, :), x4, w4)
   call expect(same(x4, real(y, real32)), "single precision")

   z(1:2, :) = x
   z(3, :) = c(1, :)
   call model%log_weight(z, w)
   call expect(all(abs(w) < 1e3_real64), "weights of events with their conditions")
   call model%latent(z, y)
   wide(1:2, :) = y
   wide(3, :) = c(1, :)
   call model%generate(wide(1:3, :), y)
   call expect(maxval(abs(y - x)) < 1e-3_real64, "g and its inverse, given conditions")

   call sampler%generate(x, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "condition", "generate without conditions")
   call sampler%generate_given(wide(1:2, :), x, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "c has 2 values per event, but needs 1", "too many conditions")
   call sampler%generate_given(c(:, 2:), x, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "x has 200 events, but needs 199", "other numbers of events")
   nan = ieee_value(1.0_real64, ieee_quiet_nan)
   call sampler%generate_given(nan, x(:, :1), status=status)
   call expect_failure(status, LASER_ERR_DATA, "", "a condition of NaN")
   call model%log_weight(x, w, status=status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "x has 2 values per event, but needs 3", &
      "events without their conditions")
   call sampler%free()
   call model%free()
   call finish()
end program test_conditional
