! Options: every kind, JSON and back, and what is refused.
program test_options
   use laser
   use check
   use, intrinsic :: iso_fortran_env, only: int64, real64
   implicit none
   type(laser_options) :: options, other, copy
   character(len=:), allocatable :: json, text
   integer :: status, number
   integer(int64) :: wide
   real(real64) :: value

   call options%new("fast")
   call options%set("flow.blocks", 7)
   call options%set("seed", 2_int64**40 + 1)
   call options%set("classifier.lr", 1.0e-3_real64)
   call options%set("refiner.method", "rejection   ") ! blanks at the end do not count
   call options%get("flow.blocks", number)
   call expect(number == 7, "an integer")
   call options%get("seed", wide)
   call expect(wide == 2_int64**40 + 1, "a long integer")
   call options%get("classifier.lr", value)
   call expect(abs(value - 1.0e-3_real64) <= 0, "a number, exactly")
   call options%get("refiner.method", text)
   call expect(text == "rejection" .and. len(text) == 9, "a text, not padded")

   call options%to_json(json)
   call expect(index(json, '"blocks"') > 0 .and. json(1:1) == "{" .and. json(len(json):) == "}", "JSON, whole")
   call other%from_json(json)
   call other%to_json(text)
   call expect(text == json, "JSON round trip")
   call other%free()
   call other%new()
   call other%get("flow.blocks", number)
   call expect(number /= 7, "options are independent")

   call options%set("flow.bloks", 3, status)
   call expect_failure(status, LASER_ERR_UNKNOWN_OPTION, "flow.blocks", "a mistyped key, which names its neighbours")
   call expect(laser_status_name(status) == "LASER_ERR_UNKNOWN_OPTION", "the status's name")
   call options%set("flow.blocks", -3, status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "flow.blocks", "a value out of range")
   call options%set("flow.blocks", "many", status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "flow.blocks", "a value of another kind")
   call options%get("flow.blocks", number)
   call expect(number == 7, "unchanged by what was refused")
   call options%get("seed", number, status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "int64", "too wide a value for the variable")
   call options%get("refiner.method", value, status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "refiner.method", "reading another kind")
   call options%get("no.such", text, status)
   call expect_failure(status, LASER_ERR_UNKNOWN_OPTION, "no.such", "reading an unknown text")
   call expect(len(text) == 0, "which gives an empty text")

   call options%new("fast", status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "free it first", "a variable that holds options already")
   call options%get("flow.blocks", number)
   call expect(number == 7, "which keeps them")
   call other%free()
   call other%new("slow", status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "slow", "an unknown preset")
   call other%from_json("{", status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "", "broken JSON")
   call other%set("flow.blocks", 3, status)
   call expect_failure(status, LASER_ERR_NULL, "", "options that were not made")
   call other%to_json(json, status)
   call expect_failure(status, LASER_ERR_NULL, "", "JSON of options that were not made")
   call expect(len(json) == 0, "which is empty")

   copy = options ! the same options, as a handle of MPI
   call copy%set("flow.blocks", 9)
   call options%get("flow.blocks", number)
   call expect(number == 9, "assignment makes an alias")
   call options%free()
   call options%free() ! nothing to free
   call options%new("fast", status)
   call expect_ok(status, "options anew in a variable that was freed")
   call options%free()

   call expect(laser_abi_version() == LASER_ABI, "the ABI's number")
   call expect(index(laser_version(), ".") > 0, "the version")
   call laser_device_check("cpu", status)
   call expect_ok(status, "laser_device_check")
   call laser_device_check("gpu", status)
   call expect_failure(status, LASER_ERR_INVALID_ARGUMENT, "gpu", "an unknown device")
   call finish()
end program test_options
