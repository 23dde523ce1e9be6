! One training on many ranks: each has its own simulator and works on its part of every batch; all end with the same model.
!
!     mpirun -n 4 mpi_train MODEL [OPTIONS]      OPTIONS: JSON, as '{"preset": "fast", "flow.epochs": 8}'
!
! Rank 0 writes the file MODEL, and before it MODEL.checkpoint, from which a job that was killed goes on when it is started again.
module ranks
   use mpi
   use, intrinsic :: iso_fortran_env, only: real64
   implicit none

   type :: communicator
      integer :: handle = MPI_COMM_NULL
   end type communicator

contains

   !> Replaces values by their sums over all ranks.
   subroutine allreduce(values, code, context)
      real(real64), intent(inout), contiguous :: values(:)
      integer, intent(inout) :: code
      class(*), intent(inout) :: context
      select type (context)
      type is (communicator)
         ! MPI_SUCCESS is 0; any other code ends the call on this rank.
         call MPI_Allreduce(MPI_IN_PLACE, values, size(values), MPI_DOUBLE_PRECISION, MPI_SUM, context%handle, code)
      end select
   end subroutine allreduce
end module ranks

program mpi_train
   use laser
   use mpi
   use drell_yan, only: simulator, simulate
   use ranks, only: communicator, allreduce
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   integer, parameter :: n = 1000
   type(communicator), target :: comm
   type(simulator), target :: host
   type(laser_options) :: options
   type(laser_hooks) :: hooks
   type(laser_source) :: source
   type(laser_generator) :: flow
   type(laser_model) :: model
   type(laser_sampler) :: sampler
   character(len=1024) :: path, json
   real(real64) :: x(2, n), first(2, n), start, trained, refined
   integer :: rank, size_of_world, error, status, unit

   call MPI_Init(error)
   ! A communicator of its own, whose errors are returned: by default they end the program on the spot.
   call MPI_Comm_dup(MPI_COMM_WORLD, comm%handle, error)
   call MPI_Comm_set_errhandler(comm%handle, MPI_ERRORS_RETURN, error)
   call MPI_Comm_rank(comm%handle, rank, error)
   call MPI_Comm_size(comm%handle, size_of_world, error)
   call get_command_argument(1, path, status=status)
   if (status /= 0) call MPI_Abort(comm%handle, 2, error)
   call get_command_argument(2, json, status=status)
   if (status /= 0) json = '{"preset": "fast"}'

   ! No status arguments: a rank that fails ends its program, and mpirun the others; what they would get is LASER_ERR_CALLBACK.
   call options%from_json(json)
   call options%set("features.scaling", "logit(60:120), logit(-1:1)")
   call hooks%new()
   call hooks%set_allreduce(rank, size_of_world, allreduce, comm)
   call hooks%set_checkpoint(trim(path) // ".checkpoint")
   ! A rank delivers a part of the events, so each needs others.
   host%random = host%random + rank * 1000003_int64
   call source%from_callback(2, .false., simulate, host)
   start = MPI_Wtime()
   call flow%train(source, options, hooks)
   trained = MPI_Wtime()
   call model%refine(flow, source, options, hooks)
   refined = MPI_Wtime()

   ! All have the same model, to the bit.
   call sampler%new(model, 42_int64, 0_int64)
   call sampler%generate(x)
   first = x
   call MPI_Bcast(first, size(first), MPI_DOUBLE_PRECISION, 0, comm%handle, error)
   print "(a, i0, a, f0.12)", "rank ", rank, ": the mean mass of its events is ", sum(x(1, :)) / n
   if (any(abs(x - first) > 0)) error stop "this rank made different events"
   if (rank == 0) then
      call model%save(path)
      open (newunit=unit, file=trim(path) // ".checkpoint")
      close (unit, status="delete") ! it has served
      print "(i0, 2(a, f0.2), 2a)", size_of_world, " ranks: trained in ", trained - start, " s, refined in ", refined - trained, &
         " s, saved ", trim(path)
   end if

   call sampler%free()
   call model%free()
   call flow%free()
   call source%free()
   call hooks%free()
   call options%free()
   call MPI_Comm_free(comm%handle, error)
   call MPI_Finalize(error)
end program mpi_train
