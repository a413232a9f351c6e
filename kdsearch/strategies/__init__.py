"""How a candidate is scored and how a student is trained."""
