! From a callback to events: training, refining, saving, loading; the bits of events are those of the C functions, however they
! are asked for, and lie where the program wants them.
program test_events
   use laser
   use laser_c, only: laser_model_load, laser_sampler_new, laser_sampler_generate, laser_sampler_free, laser_model_free
   use check
   use toy, only: train, settings
   use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
   use, intrinsic :: iso_c_binding, only: c_char, c_int32_t, c_loc, c_null_char, c_null_ptr, c_ptr, c_size_t
   use, intrinsic :: iso_fortran_env, only: int64, real32, real64
   implicit none
   integer, parameter :: n = 2000
   character(len=*), parameter :: path = "test_events.laser"
   type(laser_model) :: model, loaded
   type(laser_sampler) :: sampler
   real(real64), target :: reference(2, n)
   real(real64) :: x(2, n), z(2, n), w(n), logp(n), wide(5, n)
   real(real32) :: x4(2, n), w4(n), wide4(4, n)
   character(len=:), allocatable :: text
   integer :: status, i

   call train(model, 2)
   call expect(model%event_dim() == 2 .and. model%latent_dim() == 2 .and. model%condition_dim() == 0, "dimensions")
   call model%method(text)
   call expect(text == "rejection" .or. text == "hmc", "the method " // text)
   call model%info(text)
   call expect(index(text, '"weights"') > 0 .and. text(len(text):) == "}", "info, whole")
   call expect(model%get("weights.mean") > 0, "a number of the record")
   call model%save(path)
   call loaded%load(path)
   call with_c_functions()

   call sampler%new(loaded, 5_int64, 6_int64)
   call sampler%generate(x, w)
   call expect(same(x, reference), "generate gives the bits of C")
   call expect(all(w > 0), "weights")
   call expect(sampler%tell() == n, "tell")
   call expect(sampler%get("events") >= n, "a diagnostic")

   x = 0
   call sampler%seek(0_int64)
   do i = 1, 50
      call sampler%next(x(:, i))
   end do
   call sampler%generate(x(:, 51:51))
   call sampler%generate(x(:, 52:51), w(1:0)) ! no events
   call sampler%generate_latent(x(:, 52:), z(:, 52:), w(52:))
   call expect(same(x, reference), "in pieces, by next and generate_latent")
   call sampler%seek(int(n / 2, int64))
   call sampler%generate(x(:, n / 2 + 1:))
   call sampler%seek(7_int64)
   call sampler%next(x(:, 8), w(8))
   call expect(same(x, reference), "after seek")

   ! Columns of a larger array, every other column, weights with gaps: what lies between stays.
   wide = 42
   call sampler%seek(0_int64)
   call sampler%generate(wide(2:3, :), w)
   call expect(same(wide(2:3, :), reference), "rows 2 and 3 of 5")
   call expect(all(abs(wide([1, 4, 5], :) - 42) <= 0), "which leaves the others alone")
   wide = 42
   call sampler%seek(0_int64)
   call sampler%generate(wide(1:2, 2:n:2))
   call expect(same(wide(1:2, 2:n:2), reference(:, :n / 2)), "every other column")
   call expect(all(abs(wide(:, 1:n:2) - 42) <= 0), "which leaves the others alone, too")
   wide = 42
   call sampler%seek(0_int64)
   call sampler%generate(x(:, :n / 5), w=wide(3, :n / 5))
   call expect(all(abs(wide(3, :n / 5) - w(:n / 5)) <= 0) .and. all(abs(wide(2, :) - 42) <= 0), "weights in a row of an array")
   call sampler%seek(9_int64)
   call sampler%next(wide(1:3:2, 1))
   call expect(all(abs(wide(1:3:2, 1) - reference(:, 10)) <= 0), "next into a section with a gap")

   ! Single precision: the same events, rounded.
   call sampler%seek(0_int64)
   call sampler%generate(x4, w4)
   call expect(same(x4, real(reference, real32)), "single precision")
   call expect(all(abs(w4 - real(w, real32)) <= 0), "weights of single precision")
   wide4 = 42
   call sampler%seek(0_int64)
   call sampler%generate(wide4(3:4, :))
   call expect(same(wide4(3:4, :), real(reference, real32)) .and. all(abs(wide4(1:2, :) - 42) <= 0), &
      "single precision with a stride")
   call sampler%free()

   call densities()
   call refused()
   call baseline()
   call on_threads()
   call model%free()
   call loaded%free()
   open (newunit=i, file=path)
   close (i, status="delete")
   call finish()

contains

   !> The reference: the C functions, without the module laser.
   subroutine with_c_functions()
      type(c_ptr) :: c_model, c_sampler
      integer(c_int32_t) :: status
      c_model = c_null_ptr
      c_sampler = c_null_ptr
      status = laser_model_load(path // c_null_char, c_null_ptr, c_model)
      call expect(status == LASER_OK, "laser_model_load of C")
      status = laser_sampler_new(c_model, 5_int64, 6_int64, c_null_ptr, c_sampler)
      call expect(status == LASER_OK, "laser_sampler_new of C")
      status = laser_sampler_generate(c_sampler, int(n, c_size_t), 2_c_size_t, c_loc(reference), c_null_ptr, c_null_ptr)
      call expect(status == LASER_OK, "laser_sampler_generate of C")
      call laser_sampler_free(c_sampler)
      call laser_model_free(c_model)
   end subroutine with_c_functions

   !> Densities, weights and latents are the model's; g and its inverse.
   subroutine densities()
      type(laser_options) :: options
      type(laser_sampler) :: of_flow
      real(real64) :: expected(n), again(2, n), padded(4, n)
      call options%new()
      call options%set("sampler.method", "reweight")
      call of_flow%new(model, -1_int64, 2_int64, options)
      call of_flow%generate(x, w, logp)
      call loaded%log_prob(x, expected)
      call expect(maxval(abs(logp - expected)) < 1e-3_real64, "log_prob")
      call loaded%log_weight(x, expected, options)
      call expect(maxval(abs(log(w) - expected)) < 1e-3_real64, "log_weight")
      call of_flow%seek(0_int64)
      call of_flow%generate_latent(x, z, w)
      padded = 42
      call model%latent(x, padded(3:4, :))
      call expect(maxval(abs(padded(3:4, :) - z)) < 1e-3_real64, "latent")
      call model%generate(z, again)
      call expect(same(again, x), "generate of the model")
      call model%log_weight(padded(3:4, 1:0), expected(1:0), status=status)
      call expect_ok(status, "no events")
      call of_flow%free()
      call options%free()
   end subroutine densities

   subroutine refused()
      type(laser_sampler) :: s, none
      type(laser_options) :: freed
      type(laser_model) :: no_model
      real(real64) :: three(3, 4), bad(2, 2), number
      integer(int64) :: event
      call s%new(model, 1_int64, 1_int64)
      call s%generate(three, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "x has 3 values per event, but needs 2", "rows too long")
      call s%generate(x4(:1, :), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "x has 1 values per event, but needs 2", "rows too short")
      call s%generate(x, w(:5), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "w has 5 elements, but needs 2000", "too few weights")
      call s%generate(x4, w4, w4(2:), status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "logp has 1999 elements, but needs 2000", "too few log densities")
      call s%generate_latent(x, z(:, 2:), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "z has 1999 events, but needs 2000", "too few latents")
      call s%generate(wide(1:3:2, :), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "side by side", "values apart from each other")
      call s%generate(wide(1:2, n:1:-1), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "side by side", "events in reverse order")
      call s%generate(wide4(2:1:-1, :), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "side by side", "values in reverse order")
      call s%next(three(:, 1), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "x has 3 values, but needs 2", "next into too long an array")
      call s%generate_given(z, x, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "c has 2 values per event, but needs 0", &
         "conditions for a model without")
      call s%seek(-1_int64, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "event is negative: -1", "a negative event")
      event = s%tell(status)
      call expect(status == LASER_OK .and. event == 0, "the stream has not moved")
      number = s%get("acceptanc", status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "acceptance", "an unknown diagnostic")
      call s%new(model, 1_int64, 1_int64, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "holds a laser_sampler already", "a variable that holds a sampler")
      call s%free()
      call s%free()

      call none%generate(x, status=status)
      call expect_failure(status, LASER_ERR_NULL, "laser_sampler was not made", "a sampler that was not made")
      call none%next(x(:, 1), status=status)
      call expect_failure(status, LASER_ERR_NULL, "laser_sampler was not made", "next of it")
      call s%new(no_model, 1_int64, 1_int64, status=status)
      call expect_failure(status, LASER_ERR_NULL, "laser_model was not made", "a model that was not made")
      call s%new(model, 1_int64, 1_int64, freed, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_options given as options was not made", "options that were not made")
      call expect(no_model%event_dim(status) == 0 .and. status == LASER_ERR_NULL, "the dimension of nothing")
      call no_model%method(text, status)
      call expect(text == "" .and. status == LASER_ERR_NULL, "the method of nothing")
      call no_model%save("nothing.laser", status)
      call expect_failure(status, LASER_ERR_NULL, "", "saving nothing")

      call no_model%load("no such directory/m.laser", status=status)
      call expect_failure(status, LASER_ERR_IO, "no such directory/m.laser", "a file that is not there")
      bad = ieee_value(1.0_real64, ieee_quiet_nan)
      call model%log_weight(bad, w(:2), status=status)
      call expect_failure(status, LASER_ERR_DATA, "", "events of NaN")
      call model%log_prob(three, w(:4), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "x has 3 values per event, but needs 2", "log_prob of longer events")
      number = model%get("weights.men", status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "`mean`", "an unknown number of the record")
   end subroutine refused

   !> Generators by themselves; another refiner for a model.
   subroutine baseline()
      type(laser_generator) :: generator
      type(laser_model) :: plain, again
      type(laser_options) :: options
      call generator%load(path)
      call expect(generator%event_dim() == 2 .and. generator%latent_dim() == 2 .and. generator%condition_dim() == 0, &
         "its dimensions")
      call generator%save("test_events.generator")
      call plain%from_generator(generator)
      call generator%free()
      call generator%load("test_events.generator")
      call generator%free()
      open (newunit=i, file="test_events.generator")
      close (i, status="delete")
      call plain%log_weight(reference, w, status=status)
      call expect_failure(status, LASER_ERR_UNSUPPORTED, "classifier", "weights without a classifier")
      call again%refine(plain, status=status)
      call expect_failure(status, LASER_ERR_UNSUPPORTED, "classifier", "another refiner without a classifier")
      call options%from_json(settings)
      call options%set("refiner.method", "reweight")
      call again%refine(model, options=options)
      call again%method(text)
      call expect(text == "reweight", "another refiner")
      call again%free()
      call plain%free()
      call options%free()
   end subroutine baseline

   !> One sampler per thread; and every thread has its own message. Without OpenMP it is one thread.
   subroutine on_threads()
      integer, parameter :: shares = 8
      integer :: share, wrong
      x = 0
      wrong = 0
      !$omp parallel do reduction(+:wrong) num_threads(4)
      do share = 1, shares
         wrong = wrong + generate((share - 1) * n / shares, share * n / shares)
      end do
      !$omp end parallel do
      call expect(same(x, reference), "a stream in shares")
      call expect(wrong == 0, "every thread has its own messages and texts")
   end subroutine on_threads

   integer function generate(from, to) result(wrong)
      integer, intent(in) :: from, to
      type(laser_sampler) :: s
      type(laser_options) :: options
      character(len=32) :: key, event
      character(len=:), allocatable :: message, json, expected
      integer :: status, k
      wrong = 0
      call s%new(loaded, 5_int64, 6_int64)
      call s%seek(int(from, int64))
      call s%generate(x(:, from + 1:to))
      call options%new()
      call options%to_json(expected)
      write (key, "(a, i0)") "no.such.key.", from
      write (event, "(a, i0)") "negative: ", -(from + 1)
      do k = 1, 200
         call options%set(key, 1, status) ! refused by the library
         call laser_last_error(message)
         if (status /= LASER_ERR_UNKNOWN_OPTION .or. index(message, trim(key)) == 0) wrong = wrong + 1
         if (laser_status_name(status) /= "LASER_ERR_UNKNOWN_OPTION") wrong = wrong + 1
         call s%seek(-int(from + 1, int64), status) ! refused by the module
         call laser_last_error(message)
         if (status /= LASER_ERR_INVALID_ARGUMENT .or. index(message, trim(event)) == 0) wrong = wrong + 1
         call options%to_json(json)
         if (json /= expected) wrong = wrong + 1
      end do
      call options%free()
      call s%free()
   end function generate
end program test_events
