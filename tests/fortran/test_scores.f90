! Sources of arrays, histograms and scores.
program test_scores
   use laser
   use check
   use toy, only: random, fill
   use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
   use, intrinsic :: iso_c_binding, only: c_f_pointer, c_loc, c_size_t
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   integer, parameter :: n = 2000
   integer(int64), parameter :: seed = 1
   type(random) :: host
   real(real64), target :: x(2, n), y(2, n), wide(4, n), w(n), nan(2, 3)
   real(real64) :: a, b, c, d
   integer :: status

   call fill(host, x)
   call fill(host, y)
   wide = 42
   wide(2:3, :) = y
   w = 1
   call histograms()
   call sources()
   call numbers()
   call large()
   call finish()

contains

   subroutine histograms()
      type(laser_histogram) :: p, q, none
      real(real64), allocatable :: bins(:, :), forgotten(:)
      call p%new(4, 0.0_real64, 4.0_real64, 3, 0.0_real64, 3.0_real64)
      call p%fill(reshape([0.5_real64, 0.5_real64, 1.0_real64, &
         2.5_real64, 4.0_real64, 0.0_real64, 9.0_real64, 1.0_real64], [2, 4]), &
         [1.0_real64, 2.0_real64, 3.0_real64, 4.0_real64])
      call p%contents(bins)
      call expect(all(shape(bins) == [4, 3]), "bins(nx, ny)")
      call expect(nint(bins(1, 1)) == 1 .and. nint(bins(2, 3)) == 2 .and. nint(bins(4, 1)) == 3 .and. nint(sum(bins)) == 6, &
         "x first, y second")
      call p%total(a, b)
      call expect(nint(a) == 6 .and. nint(b) == 4, "inside and outside")
      call p%fill(x(:, 1:0))
      call p%fill(x, w(:3), status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "w has 3 elements, but needs 2000", "too few weights")
      call p%fill(x(1:1, :), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "x has 1 values per event, but needs 2", "one feature")
      call p%fill(wide(1:4:3, :), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "side by side", "features apart from each other")
      ! Fortran's rule, of which docs/fortran.md warns: what is not allocated is absent.
      call p%fill(reshape([0.5_real64, 0.5_real64], [2, 1]), forgotten)
      call p%total(a, b)
      call expect(nint(a) == 7 .and. nint(b) == 4, "weights that are not allocated are left out")
      call p%fill(reshape([0.5_real64, 0.5_real64], [2, 1]), w(1:0), status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "w has 0 elements, but needs 1", "those of no elements are not")
      call p%new(1, 0.0_real64, 1.0_real64, 1, 0.0_real64, 1.0_real64, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "free it first", "a variable that holds a histogram")
      call p%free()
      call p%new(4, 0.0_real64, 4.0_real64, -3, 0.0_real64, 3.0_real64, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "ny is negative: -3", "a negative number of bins")
      call p%new(0, 0.0_real64, 4.0_real64, 3, 0.0_real64, 3.0_real64, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "no bins")

      call p%new(8, -3.0_real64, 5.0_real64, 8, -4.0_real64, 0.0_real64)
      call q%new(8, -3.0_real64, 5.0_real64, 8, -4.0_real64, 0.0_real64)
      call p%fill(x)
      call laser_jsd(p, q, a, status=status)
      call expect_failure(status, LASER_ERR_DATA, "", "an empty histogram")
      call q%fill(wide(2:3, :), w)
      call laser_jsd(p, q, a, b)
      call laser_jsd_floor(p, q, 50, seed, c, d)
      call expect(a > 0 .and. a < 0.05_real64 .and. b > 0, "laser_jsd of equal distributions")
      call expect(abs(a - c) < 6 * d, "laser_jsd is its floor")
      call laser_emd(p, q, a)
      call laser_emd_floor(p, q, 10, seed, c, d)
      call expect(a > 0 .and. abs(a - c) < 10 * d, "laser_emd is its floor")
      call laser_jsd_floor(p, q, -1, seed, c, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "repeats is negative: -1", "negative repeats")
      call laser_emd_floor(p, q, 1, seed, c, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "too few repeats")
      call q%merge(p)
      call q%total(a, b)
      call expect(nint(a + b) == 2 * n, "merge")
      call q%merge(q, status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "merge with itself")
      call none%total(a, b, status)
      call expect_failure(status, LASER_ERR_NULL, "", "a histogram that was not made")
      call none%contents(bins, status)
      call expect_failure(status, LASER_ERR_NULL, "laser_histogram was not made", "its contents")
      call laser_emd(p, none, a, status=status)
      call expect_failure(status, LASER_ERR_NULL, "", "its distance")
      call p%free()
      call q%free()
   end subroutine histograms

   subroutine sources()
      type(laser_source) :: p, q, none
      type(laser_options) :: options
      real(real64), pointer :: nowhere(:, :), no_weights(:) => null()
      call p%from_array(x)
      call q%from_array(wide(2:3, :), w) ! borrowed where it lies
      call laser_emd_1d(p, q, 1, 20, seed, a, b, c, d)
      call expect(a > 0 .and. abs(a - c) < 6 * d .and. b > 0, "laser_emd_1d is its floor")
      wide(2, :) = wide(2, :) + 1
      call laser_emd_1d(p, q, 1, 0, seed, b)
      call expect(abs(b - 1) < 0.2_real64, "laser_emd_1d sees a shift of 1 in the borrowed array")
      call laser_emd_1d(p, q, 2, 0, seed, b)
      call expect(b < 0.2_real64, "but not in the second feature")
      call laser_kolmogorov_smirnov(p, q, 1, a, b)
      call expect(a > 0.3_real64 .and. b < 1e-6_real64, "laser_kolmogorov_smirnov, too")
      call laser_sliced_emd(p, q, 20, 10, seed, a, b, c, d)
      call expect(a > 5 * c, "laser_sliced_emd, too")
      call options%from_json('{"classifier": {"layers": 2, "units": 16, "epochs": 4, "steps": 30, "batch": 200, "lr": 1e-2}}')
      call laser_two_sample_auc(p, q, a, b, options)
      call expect(a > 0.6_real64 .and. b > 0 .and. b < 0.1_real64, "laser_two_sample_auc, too")
      call laser_two_sample_auc_by_family(p, q, c, d, trees_error=b, options=options)
      call expect(abs(max(c, d) - a) < 1e-15_real64 .and. b > 0 .and. b < 0.1_real64, &
            "laser_two_sample_auc_by_family gives the same")

      call edges(p, q)

      call laser_emd_1d(p, q, 0, 0, seed, b, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "feature is 0, but the events have the features 1 to 2", "feature 0")
      call laser_kolmogorov_smirnov(p, q, 3, b, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "feature is 3, but the events have the features 1 to 2", "feature 3")
      call laser_sliced_emd(p, q, -1, 0, seed, a, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "directions is negative: -1", "negative directions")
      call laser_emd_1d(p, none, 1, 0, seed, b, status=status)
      call expect_failure(status, LASER_ERR_NULL, "", "a source that was not made")
      call p%from_array(y, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "free it first", "a variable that holds a source")
      call none%from_array(wide(1:4:2, :), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "side by side", "values apart from each other")
      call none%from_array(x(:, :n / 2), w(::2), status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "w: borrowed weights must lie side by side", &
         "weights apart from each other")
      call none%from_array(x, w(:5), status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "w has 5 elements, but needs 2000", "too few weights")
      call none%from_array(x(:, 1:0), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "no events")
      nullify (nowhere)
      call none%from_array(nowhere, status=status)
      call expect_failure(status, LASER_ERR_NULL, "x is not associated", "a pointer to nothing")
      call none%from_array(x, no_weights, status)
      call expect_failure(status, LASER_ERR_NULL, "w is not associated", "weights that are a pointer to nothing")
      nan = 0
      nan(2, 3) = ieee_value(1.0_real64, ieee_quiet_nan)
      call none%from_array(nan, status=status)
      call expect_failure(status, LASER_ERR_DATA, "", "events of NaN")
      call options%free()
      call p%free()
      call q%free()
   end subroutine sources

   !> Of a cut at the greatest value of x, beyond which some of the sample are.
   subroutine edges(p, q)
      type(laser_source), intent(in) :: p, q
      character(len=:), allocatable :: inequality
      character(len=60) :: support
      real(real64) :: cut, share, errors(2), e, f
      cut = maxval(x(1, :)) + 0.001_real64
      write (support, "(a, es24.16, a)") "pt <= ", cut, " and eta < 99"
      call expect(laser_edge_count(p, support, "pt, eta") == 2, "two edges")
      call laser_edge_inequality(p, support, 2, inequality, "pt, eta")
      call expect(inequality == "eta < 99", "the second inequality")
      share = count(wide(2, :) > cut) / real(n, real64)
      call laser_edge(q, p, support, 1, a, b, errors(1), errors(2), c, d, e, "pt, eta")
      call expect(share > 0 .and. abs(a - share) < 1e-12_real64 .and. b <= 0, "laser_edge counts what is beyond")
      call laser_edge(p, q, support, 1, b, a, errors(2), errors(1), c, d, e, "pt, eta")
      call expect(abs(a - share) < 1e-12_real64 .and. b <= 0, "and of the other sample")
      call expect(e > 0 .and. c > 0, "laser_edge has the layer within")
      call laser_edge(p, p, "x1 < x0 - 99 or x1 < 99", 2, a, b, ratio=f)
      call expect(a <= 0 .and. abs(f - 1) < 1e-12_real64, "an edge of equal samples")
      call laser_edge(p, q, support, 0, a, b, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "edge is 0", "edge 0")
      call laser_edge(p, q, "x0 > 1", 2, a, b, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "1 inequalities", "one edge too many")
      call expect(laser_edge_count(p, "x0 > x7", status=status) == 0, "of no support")
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "no feature 7", "a feature that is not there")
      call laser_edge_inequality(p, "x0 > 1", -1, inequality, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "edge is -1", "the inequality before the first")
   end subroutine edges

   subroutine numbers()
      real(real64) :: scores(6), draws(2, 4, 50), r_hat(2), size_of(2)
      integer :: i, j, k
      scores = [1, 2, 3, 4, 5, 6]
      call laser_auc(scores, [0, 0, 1, 0, 1, 1], a, b)
      call expect(abs(a - 8.0_real64 / 9) < 1e-12_real64 .and. b > 0, "laser_auc")
      call laser_auc(scores(6:1:-1), [0, 0, 1, 0, 1, 1], a, w=w(:6))
      call expect(abs(a - 1.0_real64 / 9) < 1e-12_real64, "laser_auc in reverse order, with weights")
      call laser_auc(scores, [0, 1], a, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "labels has 2 elements, but needs 6", "too few labels")
      call laser_auc(scores, [0, 0, 2, 0, 1, 1], a, status=status)
      call expect_failure(status, LASER_ERR_DATA, "", "a label of 2")
      call expect(abs(laser_effective_size([1.0_real64, 3.0_real64]) - 1.6_real64) < 1e-12_real64, "laser_effective_size")
      call expect(laser_effective_size(w(1:0), status) <= 0, "of nothing")
      call expect_failure(status, LASER_ERR_DATA, "", "the effective size of nothing")
      do i = 1, 50
         do j = 1, 4
            call fill(host, x(:, :1))
            draws(:, j, i) = x(:, 1)
            draws(2, j, i) = draws(2, j, i) + 10 * j ! chains that disagree in the second dimension
         end do
      end do
      call laser_chain_diagnostics(draws, r_hat, size_of)
      call expect(r_hat(1) < 1.2_real64 .and. r_hat(2) > 2 .and. size_of(1) > 50 .and. size_of(2) < 20, "laser_chain_diagnostics")
      call laser_chain_diagnostics(draws(:, ::2, :), r_hat)
      call expect(r_hat(1) < 1.3_real64, "of a section")
      call laser_chain_diagnostics(draws, r_hat(:1), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "r_hat has 1 elements, but needs 2", "too few dimensions")
      call laser_chain_diagnostics(draws(:, :, :3), r_hat, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "too few draws")
      k = 0
      call laser_chain_diagnostics(draws(:, :, 1:k), r_hat, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "no draws")
   end subroutine numbers

   !> Extents above the largest default integer, of which only the checks look at more than the first elements.
   subroutine large()
      integer(c_size_t), parameter :: many = 2_c_size_t**32
      type(laser_histogram) :: h
      real(real64), target :: some(8) = 0
      real(real64), pointer, contiguous :: events(:, :), draws(:, :, :)
      real(real64) :: r_hat(2)
      call h%new(4, -1.0_real64, 1.0_real64, 4, -1.0_real64, 1.0_real64)
      call c_f_pointer(c_loc(some), events, [2_c_size_t, many + 3])
      call h%fill(events, w(:3), status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "w has 3 elements, but needs 4294967299", "as many modulo 2**32")
      call c_f_pointer(c_loc(some), events, [4_c_size_t, many / 2])
      call h%fill(events(1:4:3, :), status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "side by side", "2**32 values apart from each other")
      call c_f_pointer(c_loc(some), draws, [many + 2, 1_c_size_t, 4_c_size_t])
      call laser_chain_diagnostics(draws, r_hat, status=status)
      call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "r_hat has 2 elements, but needs 4294967298", "as many dimensions")
      call h%free()
   end subroutine large
end program test_scores
